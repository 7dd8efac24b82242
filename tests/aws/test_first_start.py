"""What a new user does first: start it, take the key, ask who one is."""

import json
import shlex
import stat

from aws_case import AwsCase, Server, aws, client

import processes


class FirstStart(AwsCase):
    FLAGS = ("--account-id", "210987654321")

    def exported(self):
        """What `eval "$(warmfront keys export)"` leaves in the environment of a shell."""
        done = self.server.run("keys", "export")
        self.assertEqual(done.returncode, 0, done.stderr)
        words = [shlex.split(line) for line in done.stdout.splitlines()]
        self.assertTrue(all(word[0] == "export" and len(word) == 2 for word in words), words)
        return dict(pair.split("=", 1) for _, pair in words)

    def test_the_key_is_for_its_owner_alone_and_the_first_words_say_where_it_is(self):
        path = self.server.data / "credentials"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        words = self.server.stdout_path.read_text()
        self.assertIn(str(path), words)
        self.assertIn(self.server.url, words)
        self.assertRegex(self.server.key.id, r"^AKIA[A-Z0-9]{16}$")
        self.assertRegex(self.server.key.secret, r"^[A-Za-z0-9/+]{40}$")
        self.assertNotIn(self.server.key.secret, self.server.output(), "told to nobody else")

    def test_exported_variables_are_all_that_the_aws_cli_needs(self):
        done = aws(self.exported(), "sts", "get-caller-identity", "--output", "text")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            done.stdout.split(), ["210987654321", "arn:aws:iam::210987654321:root", "210987654321"])

    def test_the_file_is_one_that_aws_clients_read_themselves(self):
        environment = {
            "AWS_SHARED_CREDENTIALS_FILE": str(self.server.data / "credentials"),
            "AWS_ENDPOINT_URL": self.server.url, "AWS_DEFAULT_REGION": "eu-central-1",
        }
        done = aws(environment, "sts", "get-caller-identity", "--query", "Account")
        self.assertEqual((done.returncode, done.stdout.strip()), (0, '"210987654321"'), done.stderr)

    def test_boto3_is_told_the_account_of_the_setting(self):
        for region in ("us-east-1", "ap-northeast-2", "cn-north-1"):
            sts = client("sts", self.server.url, self.server.key, region=region)
            identity = sts.get_caller_identity()
            self.assertEqual(identity["Account"], "210987654321")
            self.assertEqual(identity["Arn"], "arn:aws:iam::210987654321:root")
            cloudfront = client("cloudfront", self.server.url, self.server.key, region=region)
            self.assertIn("Quantity", cloudfront.list_distributions()["DistributionList"])
        made = self.make_distribution()
        self.assertEqual(
            made["ARN"], f"arn:aws:cloudfront::210987654321:distribution/{made['Id']}")

    def test_a_user_is_named_by_its_key(self):
        done = self.server.run("keys", "create", "--user", "deploy", "--policy", "administrator",
                               "--output", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)["AccessKey"]
        environment = {
            **self.server.environment(), "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }
        done = aws(environment, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
        self.assertEqual(done.stdout.strip(), "arn:aws:iam::210987654321:user/deploy", done.stderr)

    def test_iam_answers_what_clients_ask_at_their_start(self):
        iam = self.server.client("iam")
        self.assertEqual(iam.get_user()["User"]["Arn"], "arn:aws:iam::210987654321:root")
        self.assertEqual(iam.list_roles()["Roles"], [])
        self.assertEqual(iam.list_account_aliases()["AccountAliases"], [])
        for code, call, parameters in (
            ("NoSuchEntity", iam.get_user, {"UserName": "somebody"}),
            ("NotImplemented", iam.list_users, {}),
            ("NotImplemented", self.server.client("sts").get_session_token, {}),
            ("NotImplemented", self.server.client("cloudtrail").describe_trails, {}),
        ):
            self.refused(code, call, **parameters)

    def test_an_account_that_is_none_is_refused_by_name(self):
        done = processes.run_warmfront(
            "serve", "--account-id", "12345", "--data", self.directory("wrong"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("account_id", done.stderr)
        self.assertIn("12345", done.stderr)


class SecondStart(AwsCase):
    def test_the_key_stays_and_is_not_written_again(self):
        key = self.server.key
        path = self.server.data / "credentials"
        path.unlink()
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertFalse(path.exists(), "the secret was told once")
        sts = client("sts", self.server.url, key)
        self.assertEqual(sts.get_caller_identity()["Account"], "123456789012")

    def test_each_data_directory_has_a_key_of_its_own(self):
        other = self.start(Server(self.directory("other")))
        sts = client("sts", other.url, self.other_key(other))
        self.refused("InvalidClientTokenId", sts.get_caller_identity)

    def other_key(self, other):
        """One that is not `other`'s."""
        third = self.start(Server(self.directory("third")))
        self.assertNotEqual(third.key.id, other.key.id)
        return third.key
