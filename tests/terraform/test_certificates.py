"""A site of its own name with HTTPS, from nothing: zone, certificate, validation, distribution."""

from case import Case, processes

DOMAIN = "shop.example.com"
NAMES = (DOMAIN, f"www.{DOMAIN}")


class Certificates(Case):
    configuration = "certificates"
    resources_made = 8
    resources_changed = 2

    @classmethod
    def set_up(cls):
        return {"origin_port": cls.start_site()}

    def secure(self, name, path="/index.html", *arguments):
        """A viewer's request by HTTPS, who trusts the server's root."""
        root = self.here / "root.pem"
        if not root.exists():
            told = processes.run_warmfront(
                "trust", "--endpoint", self.edge.api_url, "--data", self.edge.data)
            self.assertEqual(0, told.returncode, told.stderr)
            root.write_text(told.stdout)
        port = self.edge.https_port
        return processes.curl(
            self.here, f"https://{name}:{port}{path}", "--cacert", str(root),
            "--resolve", f"{name}:{port}:127.0.0.1", *arguments)

    def test_1_one_apply_makes_everything(self):
        self.apply_all()
        certificate = self.terraform.resource("aws_acm_certificate.site")
        self.assertEqual(certificate["status"], "ISSUED")
        found = self.terraform.resource("data.aws_acm_certificate.site")
        self.assertEqual(found["arn"], certificate["arn"])

    def test_2_https_works_with_the_root_of_the_local_authority(self):
        for name in NAMES:
            answer = self.secure(name)
            self.assertEqual((200, "home"), (answer.status, answer.body.decode().strip()))
            self.assertEqual("2", answer.meta["http_version"])
            redirect = self.get(f"{name}:{self.edge.port}", "/index.html")
            self.assertEqual(301, redirect.status)
            self.assertEqual(
                f"https://{name}:{self.edge.https_port}/index.html", redirect.field("Location"))
        self.assertEqual(200, self.secure(DOMAIN, "/about.html", "--tls-max", "1.2").status)

    def test_3_then_there_is_nothing_to_do(self):
        self.assert_nothing_to_do()

    def test_4_the_policy_can_be_changed_in_place(self):
        self.apply_change()
        self.assert_nothing_to_do(changed=True)
        viewer = self.terraform.resource("aws_cloudfront_distribution.site")["viewer_certificate"]
        self.assertEqual("TLSv1.2_2019", viewer[0]["minimum_protocol_version"])
        self.assertEqual(200, self.secure(DOMAIN, "/index.html", "--tls-max", "1.2").status)

    def test_5_destroy_leaves_nothing(self):
        self.destroy_all("distribution", changed=True)
