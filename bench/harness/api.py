"""A signed client of the API, as small as can be, so that it adds little to what is measured."""

import configparser
import datetime
import hashlib
import hmac
import http.client
import json
import re

VERSION = "/2020-05-31"
NAMESPACE = "http://cloudfront.amazonaws.com/doc/2020-05-31/"
# AWS's own: origin headers decide, query strings are in the key.
CACHE_POLICY = "4cc15a8a-d715-48a4-82b8-cc0b614638fe"


class Api:
    """One kept-alive connection."""

    def __init__(self, port, credentials):
        parser = configparser.ConfigParser()
        parser.read(credentials)
        self.key = parser["default"]["aws_access_key_id"]
        self.secret = parser["default"]["aws_secret_access_key"]
        self.host = f"127.0.0.1:{port}"
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.derived = (None, None)

    def call(self, method, path, body=b"", headers=None):
        """Status, headers and body of the answer; `path` may have a query in canonical order."""
        return self._call("cloudfront", method, VERSION + path, body, headers)

    def acm(self, operation, **parameters):
        """An operation of Certificate Manager, which must succeed."""
        headers = {"Content-Type": "application/x-amz-json-1.1",
                   "X-Amz-Target": f"CertificateManager.{operation}"}
        body = json.dumps(parameters).encode()
        status, _, text = self._call("acm", "POST", "/", body, headers)
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {text[:500]}")
        return json.loads(text or "{}")

    def _call(self, service, method, path, body, headers):
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        path, _, query = path.partition("?")
        signed = {"host": self.host, "x-amz-date": stamp}
        signed |= {name.lower(): value for name, value in (headers or {}).items()
                   if name.startswith("X-Amz-")}
        names = ";".join(signed)
        canonical = "\n".join([
            method, path, query, "".join(f"{name}:{signed[name]}\n" for name in signed), names,
            hashlib.sha256(body).hexdigest(),
        ])
        scope = f"{stamp[:8]}/us-east-1/{service}/aws4_request"
        text = "\n".join([
            "AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest(),
        ])
        key = self._key(stamp[:8], service)
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        fields = {
            "Host": self.host, "X-Amz-Date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, "
                             f"SignedHeaders={names}, Signature={signature}",
            **(headers or {}),
        }
        target = path + ("?" + query if query else "")
        self.connection.request(method, target, body, fields)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def _key(self, date, service):
        if self.derived[0] != (date, service):
            key = ("AWS4" + self.secret).encode()
            for part in (date, "us-east-1", service, "aws4_request"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.derived = ((date, service), key)
        return self.derived[1]

    def must(self, method, path, body=b"", headers=None):
        status, headers, text = self.call(method, path, body, headers)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {text[:500]}")
        return headers, text


def distribution(reference, origin_port, policy="allow-all", alias="", certificate=""):
    """A config with what the API requires."""
    aliases = f"<Quantity>1</Quantity><Items><CNAME>{alias}</CNAME></Items>" if alias else \
        "<Quantity>0</Quantity>"
    shown = "<CloudFrontDefaultCertificate>true</CloudFrontDefaultCertificate>"
    if certificate:
        shown = (f"<ACMCertificateArn>{certificate}</ACMCertificateArn>"
                 "<SSLSupportMethod>sni-only</SSLSupportMethod>"
                 "<MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion>")
    version = "http2and3" if certificate else "http2"
    return f"""<DistributionConfig xmlns="{NAMESPACE}">
<CallerReference>{reference}</CallerReference><Aliases>{aliases}</Aliases>
<DefaultRootObject></DefaultRootObject>
<Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>localhost</DomainName>
<CustomOriginConfig><HTTPPort>{origin_port}</HTTPPort><HTTPSPort>443</HTTPSPort>
<OriginProtocolPolicy>http-only</OriginProtocolPolicy></CustomOriginConfig></Origin></Items></Origins>
<DefaultCacheBehavior><TargetOriginId>o</TargetOriginId>
<ViewerProtocolPolicy>{policy}</ViewerProtocolPolicy><CachePolicyId>{CACHE_POLICY}</CachePolicyId>
</DefaultCacheBehavior><CacheBehaviors><Quantity>0</Quantity></CacheBehaviors>
<CustomErrorResponses><Quantity>0</Quantity></CustomErrorResponses><Comment></Comment>
<Logging><Enabled>false</Enabled><IncludeCookies>false</IncludeCookies><Bucket></Bucket>
<Prefix></Prefix></Logging><PriceClass>PriceClass_All</PriceClass><Enabled>true</Enabled>
<ViewerCertificate>{shown}</ViewerCertificate>
<Restrictions><GeoRestriction><RestrictionType>none</RestrictionType><Quantity>0</Quantity>
</GeoRestriction></Restrictions><WebACLId></WebACLId><HttpVersion>{version}</HttpVersion>
<IsIPV6Enabled>false</IsIPV6Enabled></DistributionConfig>""".encode()


def invalidation(reference, paths):
    items = "".join(f"<Path>{path}</Path>" for path in paths)
    return (f'<InvalidationBatch xmlns="{NAMESPACE}"><Paths><Quantity>{len(paths)}</Quantity>'
            f"<Items>{items}</Items></Paths><CallerReference>{reference}</CallerReference>"
            "</InvalidationBatch>").encode()


def element(text, name):
    """The text of the first element of that name."""
    return re.search(f"<{name}>([^<]*)</{name}>", text).group(1)
