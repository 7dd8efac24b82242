"""All operations of the models of CloudFront and Route 53: each is answered as its model says, or
501 says which."""

import re

import botocore.session
from aws_case import AwsCase, client

import processes

PAGE = processes.ROOT / "docs" / "api-coverage.md"

# Codes that any operation may answer with, besides those of its model.
COMMON = {"AccessDenied", "InvalidArgument", "MalformedXML", "UnsupportedOperation"}


def least(shape):
    """A value of a shape that botocore's own validation lets pass, of required members alone."""
    kind = shape.type_name
    if kind == "structure":
        # Of a union exactly one member is there.
        names = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: least(shape.members[name]) for name in names}
    if kind == "list":
        return [least(shape.member)] * shape.metadata.get("min", 0)
    if kind == "map":
        return {}
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        return "x" * max(1, shape.metadata.get("min", 1))
    if kind in ("integer", "long"):
        return max(0, shape.metadata.get("min", 0))
    if kind in ("float", "double"):
        return 0.0
    if kind == "boolean":
        return False
    if kind == "blob":
        return b"x"
    if kind == "timestamp":
        return 0
    raise AssertionError(f"{shape}: {kind}")


def everything(shape, path=()):
    """A value with all members, once each where shapes nest."""
    kind = shape.type_name
    if kind == "structure":
        if shape.name in path:
            return {}
        inner = (*path, shape.name)
        names = list(shape.members)[: 1 if shape.is_tagged_union else None]
        return {name: everything(shape.members[name], inner) for name in names}
    if kind == "list":
        return [everything(shape.member, path)] * max(1, shape.metadata.get("min", 1))
    return least(shape)


def snake(name):
    return botocore.xform_name(name)


class EveryOperation:
    """What is asked of each service that is a class here."""

    @classmethod
    def set_up(cls):
        super().set_up()
        session = botocore.session.get_session()
        cls.model = session.get_service_model(cls.service)
        page = PAGE.read_text().split("\n## ")
        section = next(part for part in page if part.startswith(cls.section))
        cls.coverage = dict(re.findall(r"^\| (\w+) \| (served|stored|501) \|", section, re.M))

    def setUp(self):
        # Of several connections a failed one would not be noticed.
        self.raw = self.server.client(self.service, max_pool_connections=1)
        self.answers = {}
        self.raw.meta.events.register(f"after-call.{self.service}", self.remember)

    def remember(self, http_response, parsed, model, **_):
        self.answers[model.name] = (http_response, parsed)

    def call(self, operation, parameters):
        """The answer's status, code and text. What boto3 cannot read fails."""
        try:
            getattr(self.raw, snake(operation.name))(**parameters)
        except self.raw.exceptions.ClientError:
            pass
        response, parsed = self.answers[operation.name]
        error = parsed.get("Error", {})
        return response.status_code, error.get("Code"), error.get("Message", "")

    def judge(self, operation, parameters):
        status, code, message = self.call(operation, parameters)
        what = f"{operation.name}: {status} {code} {message}"
        self.assertNotIn(status, (500, 502, 503), what)
        if status == 501:
            self.assertEqual(code, "NotImplemented", what)
            self.assertIn(operation.name, message)
            return False
        if status < 300:
            return True
        self.assertTrue(code and not code.isdigit(), f"{what}: an error of AWS's has a code")
        self.assertTrue(message, what)
        known = {shape.metadata.get("error", {}).get("code", shape.name)
                 for shape in operation.error_shapes} | {
                     shape.name for shape in operation.error_shapes}
        self.assertIn(code, known | COMMON, f"{what}; the model has {sorted(known)}")
        return True

    def walk(self, make):
        implemented = set()
        for name in self.model.operation_names:
            operation = self.model.operation_model(name)
            parameters = make(operation.input_shape) if operation.input_shape else {}
            # With ids that are not there, nothing is made that later calls would meet.
            with self.subTest(name):
                if self.judge(operation, parameters):
                    implemented.add(name)
        return implemented

    def test_the_page_of_coverage_tells_of_each_what_it_does(self):
        self.assertEqual(len(self.model.operation_names), self.operations)
        self.assertEqual(set(self.coverage), set(self.model.operation_names))
        implemented = self.walk(least)
        said = {name for name, state in self.coverage.items() if state != "501"}
        self.assertEqual(implemented ^ said, set(), "either only here or only on the page")

    def test_all_members_at_once_are_read_and_refused_or_taken(self):
        self.walk(everything)


class CloudFront(EveryOperation, AwsCase):
    service, section, operations = "cloudfront", "CloudFront, 2020-05-31", 167

    def test_the_data_of_key_value_stores_is_all_there(self):
        data = client("cloudfront-keyvaluestore", self.server.url, self.server.key)
        session = botocore.session.get_session()
        names = session.get_service_model("cloudfront-keyvaluestore").operation_names
        self.assertEqual(len(names), 6)
        for name in names:
            self.assertTrue(hasattr(data, snake(name)))


class Route53(EveryOperation, AwsCase):
    service, section, operations = "route53", "Route 53, 2013-04-01", 74
