"""What both configurations of Route 53 have in common: its API, asked by curl, and its answers."""

import xml.etree.ElementTree

import case
import processes

VERSION = "2013-04-01"
# The provider waits 10 to 30 s for each change of a zone before it asks whether name servers have
# it. What does not depend on each other waits at the same time.
AT_ONCE = "-parallelism=80"


class Route53Case(case.Case):
    @classmethod
    def environment(cls):
        return super().environment() | {
            "TF_CLI_ARGS_apply": AT_ONCE, "TF_CLI_ARGS_destroy": AT_ONCE,
        }

    def route53(self, path, *arguments, status=200):
        """What the API says, without the namespace of its elements."""
        text = (self.edge.data / "credentials").read_text()
        words = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
        answer = processes.curl(
            self.here, f"{self.edge.api_url}/{VERSION}/{path}",
            "--aws-sigv4", "aws:amz:us-east-1:route53",
            "--user", f"{words['aws_access_key_id']}:{words['aws_secret_access_key']}", *arguments,
        )
        self.assertEqual(status, answer.status, answer.body)
        root = xml.etree.ElementTree.fromstring(answer.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def answered(self, zone, name, kind, subnet=None):
        """What name servers answer to clients of that network: values, or a code that is none of
        success."""
        # In the order of the alphabet: curl signs them as they stand.
        query = [f"edns0clientsubnetip={subnet}"] if subnet else []
        query += [f"hostedzoneid={zone}", f"recordname={name}", f"recordtype={kind}"]
        told = self.route53(f"testdnsanswer?{'&'.join(query)}")
        if told.findtext("ResponseCode") != "NOERROR":
            return told.findtext("ResponseCode")
        return sorted(entry.text for entry in told.iter("RecordDataEntry"))

    def assert_nothing_left(self, *lists):
        for path, member in lists:
            self.assertEqual([], [found.tag for found in self.route53(path).iter(member)], path)
