"""Every family of resources: what is put comes back, changes, is listed, and goes."""

import json
import socket
import subprocess
import unittest.mock

from aws_case import ACCOUNT, AwsCase, Key, client, distribution_config, quantified, unique


def public_key():
    """A new RSA key, as PEM; openssl is what CloudFront's documentation says to use."""
    private = subprocess.run(
        ["openssl", "genrsa", "2048"], capture_output=True, check=True, timeout=60).stdout
    done = subprocess.run(
        ["openssl", "rsa", "-pubout"], input=private, capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


def cache_policy(name, **changes):
    return {
        "Name": name, "Comment": "c", "DefaultTTL": 60, "MaxTTL": 3600, "MinTTL": 1,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": True,
            "EnableAcceptEncodingBrotli": True,
            "HeadersConfig": {
                "HeaderBehavior": "whitelist", "Headers": quantified("X-A", "Accept-Language")},
            "CookiesConfig": {"CookieBehavior": "allExcept", "Cookies": quantified("_ga")},
            "QueryStringsConfig": {"QueryStringBehavior": "all"},
        },
        **changes,
    }


def origin_request_policy(name, **changes):
    return {
        "Name": name, "Comment": "",
        "HeadersConfig": {
            "HeaderBehavior": "allViewerAndWhitelistCloudFront",
            "Headers": quantified("CloudFront-Viewer-Country"),
        },
        "CookiesConfig": {"CookieBehavior": "whitelist", "Cookies": quantified("a", "b")},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
        **changes,
    }


def response_headers_policy(name, **changes):
    return {
        "Name": name, "Comment": "<&>\"'é",
        "CorsConfig": {
            "AccessControlAllowOrigins": quantified("https://a.example.com", "*.b.example.com"),
            "AccessControlAllowHeaders": quantified("*"),
            "AccessControlAllowMethods": quantified("GET", "PUT"),
            "AccessControlAllowCredentials": False,
            "AccessControlExposeHeaders": quantified("X-Exposed"),
            "AccessControlMaxAgeSec": 600,
            "OriginOverride": True,
        },
        "SecurityHeadersConfig": {
            "XSSProtection": {"Override": True, "Protection": True, "ModeBlock": True},
            "FrameOptions": {"Override": False, "FrameOption": "SAMEORIGIN"},
            "ReferrerPolicy": {"Override": True, "ReferrerPolicy": "no-referrer"},
            "ContentSecurityPolicy": {
                "Override": True, "ContentSecurityPolicy": "default-src 'self'"},
            "ContentTypeOptions": {"Override": True},
            "StrictTransportSecurity": {
                "Override": True, "IncludeSubdomains": True, "Preload": False,
                "AccessControlMaxAgeSec": 63072000},
        },
        "ServerTimingHeadersConfig": {"Enabled": True, "SamplingRate": 12.5},
        "CustomHeadersConfig": quantified({"Header": "X-Shop", "Value": "a b", "Override": True}),
        "RemoveHeadersConfig": quantified({"Header": "Server"}),
        **changes,
    }


def origin_access_control(name, **changes):
    return {
        "Name": name, "Description": "d", "SigningProtocol": "sigv4", "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3", **changes,
    }


class Policies(AwsCase):
    """What has a config, a name and an ETag, and operations that are named alike."""

    # noun of the operations, how a config is made, what is listed, error of what is not there.
    FAMILIES = {
        "cache_policy": ("CachePolicy", cache_policy, "CachePolicyList", "NoSuchCachePolicy"),
        "origin_request_policy": (
            "OriginRequestPolicy", origin_request_policy, "OriginRequestPolicyList",
            "NoSuchOriginRequestPolicy"),
        "response_headers_policy": (
            "ResponseHeadersPolicy", response_headers_policy, "ResponseHeadersPolicyList",
            "NoSuchResponseHeadersPolicy"),
        "origin_access_control": (
            "OriginAccessControl", origin_access_control, "OriginAccessControlList",
            "NoSuchOriginAccessControl"),
    }

    def test_what_is_put_comes_back_equal_until_it_is_deleted(self):
        for noun, (name, make, listed, missing) in self.FAMILIES.items():
            with self.subTest(noun):
                self.whole_life(noun, name, make, listed, missing)

    def whole_life(self, noun, name, make, listed, missing):
        def call(verb, **parameters):
            suffix = {"list": "ies" if noun.endswith("y") else "s"}.get(verb, "")
            plural = noun[:-1] + suffix if suffix == "ies" else noun + suffix
            return getattr(self.cloudfront, f"{verb}_{plural}")(**parameters)

        config_name = f"{name}Config"
        config = make(unique(noun))
        made = call("create", **{config_name: config})
        identifier, etag = made[name]["Id"], made["ETag"]
        self.assertEqual(made["ResponseMetadata"]["HTTPStatusCode"], 201)
        self.assertTrue(made["Location"].endswith(identifier), made["Location"])
        self.assertEqual(made[name][config_name], config)
        got = call("get", Id=identifier)
        self.assertEqual((got[name], got["ETag"]), (made[name], etag))
        got = getattr(self.cloudfront, f"get_{noun}_config")(Id=identifier)
        self.assertEqual((got[config_name], got["ETag"]), (config, etag))

        with self.assertRaises(self.cloudfront.exceptions.ClientError) as caught:
            call("create", **{config_name: config})
        self.assertIn("AlreadyExists", caught.exception.response["Error"]["Code"])

        text = "Description" if noun == "origin_access_control" else "Comment"
        changed = {**config, text: "changed", "Name": unique(noun)}
        updated = call("update", Id=identifier, IfMatch=etag, **{config_name: changed})
        self.assertNotEqual(updated["ETag"], etag)
        self.assertEqual(updated[name][config_name], changed)
        self.refused("PreconditionFailed", getattr(self.cloudfront, f"update_{noun}"),
                     Id=identifier, IfMatch=etag, **{config_name: config})
        self.assertEqual(call("get", Id=identifier)[name][config_name], changed)

        items = call("list")[listed]["Items"]
        found = [item for item in items if item.get(name, item).get("Id") == identifier]
        self.assertEqual(len(found), 1)
        self.refused("InvalidIfMatchVersion", getattr(self.cloudfront, f"delete_{noun}"),
                     Id=identifier)
        call("delete", Id=identifier, IfMatch=updated["ETag"])
        self.refused(missing, getattr(self.cloudfront, f"get_{noun}"), Id=identifier)

    def test_managed_policies_are_listed_and_cannot_be_changed(self):
        for noun, (name, _, listed, _) in list(self.FAMILIES.items())[:3]:
            with self.subTest(noun):
                lister = getattr(self.cloudfront, f"list_{noun[:-1]}ies")
                managed = lister(Type="managed")[listed]["Items"]
                self.assertGreaterEqual(len(managed), 5)
                self.assertEqual({item["Type"] for item in managed}, {"managed"})
                first = managed[0][name]
                getter = getattr(self.cloudfront, f"get_{noun}")
                got = getter(Id=first["Id"])
                self.assertEqual(got[name], first)
                with self.assertRaises(self.cloudfront.exceptions.ClientError) as caught:
                    getattr(self.cloudfront, f"delete_{noun}")(
                        Id=first["Id"], IfMatch=got["ETag"])
                self.assertIn(caught.exception.response["Error"]["Code"],
                              ("AccessDenied", "IllegalDelete"))
                self.assertNotIn(first["Id"], [
                    item[name]["Id"] for item in lister(Type="custom")[listed].get("Items", [])])


class Keys(AwsCase):
    def test_identities_public_keys_key_groups_and_field_level_encryption(self):
        cloudfront = self.cloudfront
        config = {"CallerReference": unique("oai"), "Comment": "for a bucket"}
        made = cloudfront.create_cloud_front_origin_access_identity(
            CloudFrontOriginAccessIdentityConfig=config)
        identity = made["CloudFrontOriginAccessIdentity"]
        self.assertRegex(identity["S3CanonicalUserId"], r"^[0-9a-f]{96}$|^[0-9a-f]{64}$")
        again = cloudfront.create_cloud_front_origin_access_identity(
            CloudFrontOriginAccessIdentityConfig=config)
        self.assertEqual(again["CloudFrontOriginAccessIdentity"], identity)
        self.refused("CloudFrontOriginAccessIdentityAlreadyExists",
                     cloudfront.create_cloud_front_origin_access_identity,
                     CloudFrontOriginAccessIdentityConfig={**config, "Comment": "other"})
        got = cloudfront.get_cloud_front_origin_access_identity_config(Id=identity["Id"])
        self.assertEqual(got["CloudFrontOriginAccessIdentityConfig"], config)

        pem = public_key()
        config = {"CallerReference": unique("key"), "Name": unique("key"), "EncodedKey": pem,
                  "Comment": "first"}
        made = cloudfront.create_public_key(PublicKeyConfig=config)
        key = made["PublicKey"]["Id"]
        self.assertEqual(made["PublicKey"]["PublicKeyConfig"], config)
        self.assertRegex(key, r"^K[A-Z0-9]+$")
        self.refused("CannotChangeImmutablePublicKeyFields", cloudfront.update_public_key,
                     Id=key, IfMatch=made["ETag"],
                     PublicKeyConfig={**config, "EncodedKey": public_key()})
        self.refused("InvalidArgument", cloudfront.create_public_key, PublicKeyConfig={
            **config, "CallerReference": unique("key"), "Name": unique("key"),
            "EncodedKey": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"})

        group = {"Name": unique("group"), "Items": [key], "Comment": "signers"}
        made_group = cloudfront.create_key_group(KeyGroupConfig=group)
        self.assertEqual(made_group["KeyGroup"]["KeyGroupConfig"], group)
        self.refused("PublicKeyInUse", cloudfront.delete_public_key, Id=key,
                     IfMatch=made["ETag"])
        behavior = distribution_config(self.origin.port)["DefaultCacheBehavior"]
        identifier = made_group["KeyGroup"]["Id"]
        distribution = self.make_distribution(DefaultCacheBehavior={
            **behavior,
            "TrustedKeyGroups": {"Enabled": True, **quantified(identifier)},
        })
        self.assertEqual(self.server.get(distribution["DomainName"]).status, 403, "unsigned")
        signers = cloudfront.get_distribution(Id=distribution["Id"])["Distribution"]
        self.assertEqual(
            signers["ActiveTrustedKeyGroups"]["Items"],
            [{"KeyGroupId": identifier, "KeyPairIds": quantified(key)}])
        self.refused("ResourceInUse", cloudfront.delete_key_group, Id=identifier,
                     IfMatch=made_group["ETag"])
        listed = cloudfront.list_distributions_by_key_group(KeyGroupId=identifier)
        self.assertEqual(listed["DistributionIdList"]["Items"], [distribution["Id"]])

        profile = {
            "Name": unique("profile"), "CallerReference": unique("profile"), "Comment": "",
            "EncryptionEntities": quantified({
                "PublicKeyId": key, "ProviderId": "provider",
                "FieldPatterns": quantified("card*", "pin"),
            }),
        }
        made_profile = cloudfront.create_field_level_encryption_profile(
            FieldLevelEncryptionProfileConfig=profile)["FieldLevelEncryptionProfile"]
        self.assertEqual(made_profile["FieldLevelEncryptionProfileConfig"], profile)
        fle = {
            "CallerReference": unique("fle"), "Comment": "",
            "QueryArgProfileConfig": {
                "ForwardWhenQueryArgProfileIsUnknown": True,
                "QueryArgProfiles": quantified(
                    {"QueryArg": "profile", "ProfileId": made_profile["Id"]}),
            },
            "ContentTypeProfileConfig": {
                "ForwardWhenContentTypeIsUnknown": False,
                "ContentTypeProfiles": quantified({
                    "Format": "URLEncoded", "ProfileId": made_profile["Id"],
                    "ContentType": "application/x-www-form-urlencoded",
                }),
            },
        }
        made_fle = cloudfront.create_field_level_encryption_config(
            FieldLevelEncryptionConfig=fle)
        self.assertEqual(made_fle["FieldLevelEncryption"]["FieldLevelEncryptionConfig"], fle)
        etag = cloudfront.get_field_level_encryption_profile(Id=made_profile["Id"])["ETag"]
        self.refused("FieldLevelEncryptionProfileInUse",
                     cloudfront.delete_field_level_encryption_profile,
                     Id=made_profile["Id"], IfMatch=etag)
        cloudfront.delete_field_level_encryption_config(
            Id=made_fle["FieldLevelEncryption"]["Id"], IfMatch=made_fle["ETag"])
        cloudfront.delete_field_level_encryption_profile(Id=made_profile["Id"], IfMatch=etag)


CODE = b"function handler(event) { return event.request; } // \xc3\xa9 \x00\x01\n"


class Functions(AwsCase):
    def test_a_function_has_two_stages_and_its_code_comes_back_byte_for_byte(self):
        cloudfront, name = self.cloudfront, unique("function")
        config = {"Comment": "rewrites", "Runtime": "cloudfront-js-2.0"}
        made = cloudfront.create_function(Name=name, FunctionConfig=config, FunctionCode=CODE)
        self.assertEqual(made["FunctionSummary"]["FunctionConfig"]["Comment"], "rewrites")
        self.assertEqual(made["FunctionSummary"]["Status"], "UNPUBLISHED")
        got = cloudfront.get_function(Name=name)
        self.assertEqual(got["FunctionCode"].read(), CODE)
        self.assertEqual(got["ETag"], made["ETag"])
        self.refused("NoSuchFunctionExists", cloudfront.get_function, Name=name, Stage="LIVE")

        published = cloudfront.publish_function(Name=name, IfMatch=made["ETag"])
        metadata = published["FunctionSummary"]["FunctionMetadata"]
        self.assertEqual(metadata["Stage"], "LIVE")
        newer = CODE + b"// newer\n"
        updated = cloudfront.update_function(
            Name=name, IfMatch=made["ETag"], FunctionConfig=config, FunctionCode=newer)
        bodies = [cloudfront.get_function(Name=name, Stage=stage)["FunctionCode"].read()
                  for stage in ("DEVELOPMENT", "LIVE")]
        self.assertEqual(bodies, [newer, CODE])

        arn = metadata["FunctionARN"]
        self.assertEqual(arn, f"arn:aws:cloudfront::{ACCOUNT}:function/{name}")
        behavior = distribution_config(self.origin.port)["DefaultCacheBehavior"]
        made = self.make_distribution(DefaultCacheBehavior={
            **behavior, "FunctionAssociations": quantified(
                {"FunctionARN": arn, "EventType": "viewer-request"})})
        self.refused("FunctionInUse", cloudfront.delete_function, Name=name,
                     IfMatch=updated["ETag"])
        self.change(made["Id"], lambda config: config["DefaultCacheBehavior"].update(
            FunctionAssociations=quantified()))
        items = cloudfront.list_functions()["FunctionList"]["Items"]
        self.assertIn(name, [item["Name"] for item in items])
        cloudfront.delete_function(Name=name, IfMatch=updated["ETag"])
        self.refused("NoSuchFunctionExists", cloudfront.describe_function, Name=name)

    def test_code_is_bounded(self):
        self.refused(
            "FunctionSizeLimitExceeded", self.cloudfront.create_function, Name=unique("f"),
            FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-1.0"},
            FunctionCode=b"/" * 10_241)


class Others(AwsCase):
    def test_real_time_logs(self):
        cloudfront, name = self.cloudfront, unique("logs").replace("-", "_")
        config = {
            "Name": name, "SamplingRate": 50, "Fields": ["timestamp", "c-ip", "sc-status"],
            "EndPoints": [{"StreamType": "Kinesis", "KinesisStreamConfig": {
                "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/logs",
                "StreamARN": f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/logs"}}],
        }
        made = cloudfront.create_realtime_log_config(**config)["RealtimeLogConfig"]
        self.assertEqual({key: made[key] for key in config}, config)
        got = cloudfront.get_realtime_log_config(Name=name)["RealtimeLogConfig"]
        self.assertEqual(got, made)
        changed = {**config, "SamplingRate": 100}
        cloudfront.update_realtime_log_config(**changed)
        got = cloudfront.get_realtime_log_config(ARN=made["ARN"])["RealtimeLogConfig"]
        self.assertEqual(got["SamplingRate"], 100)
        cloudfront.delete_realtime_log_config(Name=name)
        self.refused("NoSuchRealtimeLogConfig", cloudfront.get_realtime_log_config, Name=name)

    def test_monitoring_subscriptions(self):
        cloudfront, made = self.cloudfront, self.make_distribution()
        subscription = {"RealtimeMetricsSubscriptionConfig": {
            "RealtimeMetricsSubscriptionStatus": "Enabled"}}
        self.refused("NoSuchMonitoringSubscription", cloudfront.get_monitoring_subscription,
                     DistributionId=made["Id"])
        cloudfront.create_monitoring_subscription(
            DistributionId=made["Id"], MonitoringSubscription=subscription)
        got = cloudfront.get_monitoring_subscription(DistributionId=made["Id"])
        self.assertEqual(got["MonitoringSubscription"], subscription)
        cloudfront.delete_monitoring_subscription(DistributionId=made["Id"])

    def test_tags(self):
        cloudfront = self.cloudfront
        tags = [{"Key": "owner", "Value": "a b / c"}, {"Key": "empty", "Value": ""}]
        made = cloudfront.create_distribution_with_tags(DistributionConfigWithTags={
            "DistributionConfig": distribution_config(self.origin.port),
            "Tags": {"Items": tags},
        })["Distribution"]

        def listed():
            items = cloudfront.list_tags_for_resource(Resource=made["ARN"])["Tags"]["Items"]
            return {item["Key"]: item.get("Value", "") for item in items}

        self.assertEqual(listed(), {"owner": "a b / c", "empty": ""})
        cloudfront.tag_resource(Resource=made["ARN"], Tags={"Items": [
            {"Key": "owner", "Value": "c"}, {"Key": "é/=+", "Value": "ü"}]})
        cloudfront.untag_resource(Resource=made["ARN"], TagKeys={"Items": ["empty"]})
        self.assertEqual(listed(), {"owner": "c", "é/=+": "ü"})
        self.refused("InvalidTagging", cloudfront.tag_resource, Resource=made["ARN"],
                     Tags={"Items": [{"Key": "aws:mine", "Value": ""}]})
        self.refused("NoSuchResource", cloudfront.list_tags_for_resource,
                     Resource=f"arn:aws:cloudfront::{ACCOUNT}:distribution/ENOTHING")

    def test_vpc_origins(self):
        cloudfront = self.cloudfront
        config = {
            "Name": unique("vpc"), "HTTPPort": 80, "HTTPSPort": 443,
            "Arn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/a/50dc6c",
            "OriginProtocolPolicy": "https-only", "OriginSslProtocols": quantified("TLSv1.2"),
        }
        made = cloudfront.create_vpc_origin(
            VpcOriginEndpointConfig=config, Tags={"Items": [{"Key": "a", "Value": "b"}]})
        origin = made["VpcOrigin"]
        self.assertEqual(origin["VpcOriginEndpointConfig"], config)
        got = cloudfront.get_vpc_origin(Id=origin["Id"])
        self.assertEqual((got["VpcOrigin"]["Status"], got["ETag"]), ("Deployed", made["ETag"]))
        changed = {**config, "HTTPPort": 8080}
        updated = cloudfront.update_vpc_origin(
            Id=origin["Id"], IfMatch=made["ETag"], VpcOriginEndpointConfig=changed)
        self.assertEqual(updated["VpcOrigin"]["VpcOriginEndpointConfig"], changed)
        items = cloudfront.list_vpc_origins()["VpcOriginList"]["Items"]
        self.assertIn(origin["Id"], [item["Id"] for item in items])
        cloudfront.delete_vpc_origin(Id=origin["Id"], IfMatch=updated["ETag"])
        self.refused("EntityNotFound", cloudfront.get_vpc_origin, Id=origin["Id"])


class KeyValueStores(AwsCase):
    def setUp(self):
        # Not every machine's resolver knows names under localhost.
        resolve = socket.getaddrinfo

        def local(host, *arguments, **settings):
            is_local = isinstance(host, str) and host.endswith(".localhost")
            return resolve("127.0.0.1" if is_local else host, *arguments, **settings)

        patch = unittest.mock.patch.object(socket, "getaddrinfo", local)
        patch.start()
        self.addCleanup(patch.stop)

    def data(self):
        """The data plane's client. It puts the account before the endpoint's host, and signs by
        SigV4A for all regions."""
        return self.data_as(self.server.key)

    def data_as(self, key):
        url = f"http://localhost:{self.server.api_port}"
        return client("cloudfront-keyvaluestore", url, key)

    def test_data_is_for_those_who_may(self):
        arn = self.cloudfront.create_key_value_store(Name=unique("kvs"))["KeyValueStore"]["ARN"]
        root = self.server.key
        for code, key in (("InvalidSignatureException", Key(root.id, "x" * 40)),
                          ("UnrecognizedClientException", Key("AKIA" + "B" * 16, root.secret))):
            self.refused(code, self.data_as(key).describe_key_value_store, KvsARN=arn)
        done = self.server.run("keys", "create", "--user", "reader", "--policy", "read-only",
                               "--output", "json")
        made = json.loads(done.stdout)["AccessKey"]
        reader = self.data_as(Key(made["AccessKeyId"], made["SecretAccessKey"]))
        etag = reader.describe_key_value_store(KvsARN=arn)["ETag"]
        with self.assertRaises(reader.exceptions.ClientError) as caught:
            reader.put_key(KvsARN=arn, Key="a", Value="b", IfMatch=etag)
        error = caught.exception.response["Error"]
        self.assertTrue(error["Code"].startswith("AccessDenied"), error)
        self.assertIn("cloudfront-keyvaluestore:PutKey", error["Message"])
        self.assertEqual(self.data().list_keys(KvsARN=arn)["Items"], [])

    def test_keys_are_put_got_listed_and_deleted(self):
        name = unique("kvs")
        made = self.cloudfront.create_key_value_store(Name=name, Comment="redirects")
        arn = made["KeyValueStore"]["ARN"]
        self.assertRegex(arn, rf"^arn:aws:cloudfront::{ACCOUNT}:key-value-store/[0-9a-f-]{{36}}$")
        described = self.cloudfront.describe_key_value_store(Name=name)
        self.assertEqual(described["KeyValueStore"]["Status"], "READY")

        data = self.data()
        etag = data.describe_key_value_store(KvsARN=arn)["ETag"]
        pairs = {"/old": "/new", "é /?&=%": "ü\n\"quoted\"", "empty": ""}
        for key, value in pairs.items():
            etag = data.put_key(KvsARN=arn, Key=key, Value=value, IfMatch=etag)["ETag"]
        for key, value in pairs.items():
            self.assertEqual(data.get_key(KvsARN=arn, Key=key)["Value"], value, key)
        pages = data.get_paginator("list_keys").paginate(
            KvsARN=arn, PaginationConfig={"PageSize": 1})
        listed = {item["Key"]: item["Value"] for page in pages for item in page["Items"]}
        self.assertEqual(listed, pairs)
        self.refused("ConflictException", data.put_key, KvsARN=arn, Key="a", Value="b",
                     IfMatch=described["ETag"])
        updated = data.update_keys(
            KvsARN=arn, IfMatch=etag, Puts=[{"Key": "/old", "Value": "/newest"}],
            Deletes=[{"Key": "empty"}])
        self.assertEqual(updated["ItemCount"], 2)
        self.refused("ResourceNotFoundException", data.get_key, KvsARN=arn, Key="empty")
        etag = data.delete_key(KvsARN=arn, Key="/old", IfMatch=updated["ETag"])["ETag"]
        status = data.describe_key_value_store(KvsARN=arn)
        self.assertEqual((status["ItemCount"], status["ETag"]), (1, etag))

        etag = self.cloudfront.describe_key_value_store(Name=name)["ETag"]
        self.cloudfront.update_key_value_store(Name=name, Comment="none", IfMatch=etag)
        etag = self.cloudfront.describe_key_value_store(Name=name)["ETag"]
        self.cloudfront.delete_key_value_store(Name=name, IfMatch=etag)
        self.refused("EntityNotFound", self.cloudfront.describe_key_value_store, Name=name)
        self.refused("ResourceNotFoundException", data.describe_key_value_store, KvsARN=arn)
