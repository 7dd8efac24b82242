"""What the tests of buckets have in common: requests to S3."""

import xml.etree.ElementTree

import case
from case import processes


class BucketsCase(case.Case):
    def s3(self, path, *arguments):
        """A request to S3, signed with the root key. Old versions of curl sign a query as it is: it
        has to be sorted, and complete."""
        text = (self.edge.data / "credentials").read_text()
        words = dict(line.split(" = ") for line in text.splitlines() if " = " in line)
        return self.anybody(
            path, "--aws-sigv4", "aws:amz:us-east-1:s3",
            "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
            "--user", f"{words['aws_access_key_id']}:{words['aws_secret_access_key']}", *arguments)

    def anybody(self, path, *arguments):
        """A request to S3 without a signature."""
        return processes.curl(self.here, f"{self.edge.api_url}{path}", *arguments)

    def buckets(self):
        """The names of all buckets."""
        return self.texts("/", "Name")

    def texts(self, path, tag):
        """The texts of all elements of that name in S3's answer."""
        answer = self.s3(path)
        self.assertEqual(200, answer.status, answer.body)
        elements = xml.etree.ElementTree.fromstring(answer.body).iter()
        return [element.text for element in elements if element.tag.endswith("}" + tag)]
