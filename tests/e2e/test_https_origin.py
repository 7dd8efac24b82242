"""An origin that is asked by TLS: trusted where its certificate is, and refused elsewhere."""

import subprocess

import processes
import site_tree
from case import Case


class HttpsOrigin(Case):
    @classmethod
    def set_up(cls):
        root = cls.directory("root")
        cls.tree = {"index.html": site_tree.page("Secure", 30),
                    "large.bin": site_tree.noise("large", 3 * site_tree.MIB + 1)}
        for name, content in cls.tree.items():
            (root / name).write_bytes(content)
        directory = cls.directory("nginx")
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=origin.test", "-keyout", str(key),
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-addext", "basicConstraints=critical,CA:FALSE", "-out", str(certificate)],
            stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60,
        )
        cls.certificate = certificate
        cls.nginx = cls.start(processes.Nginx(
            root, directory, f"ssl_certificate {certificate}; ssl_certificate_key {key};",
            listen="ssl backlog=4096"))
        cls.url = f"https://localhost:{cls.nginx.port}"

    def test_what_it_serves_comes_through_whole(self):
        self.edge = self.start_warmfront(
            "--origin", self.url, "--origin-ca", self.certificate, name="trusting")
        for path, content in self.tree.items():
            for expected in ("Miss", "Hit"):
                answer = self.get(f"/{path}")
                self.assertEqual((answer.status, answer.cache), (200, expected), path)
                self.assert_same_bytes(answer.body, content, path)
        part = self.get("/large.bin?cold", "-r", "1048570-1048599")
        self.assert_same_bytes(part.body, self.tree["large.bin"][1048570:1048600], "part")

    def test_a_certificate_that_nobody_vouches_for_is_a_bad_gateway(self):
        self.edge = self.start_warmfront("--origin", self.url, name="careful")
        answer = self.get("/index.html")
        self.assertEqual((answer.status, answer.cache), (502, "Error"), answer)
        self.assertEqual(self.nginx.requests("/index.html"), [])
