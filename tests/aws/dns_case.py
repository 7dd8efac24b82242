"""Questions to a running server's name server, and records for it, as boto3 writes them."""

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from aws_case import AwsCase, unique

import processes

TIMEOUT_SECS = 10


class Answer:
    """A response, decoded by dnspython."""

    def __init__(self, message):
        self.message = message
        self.rcode = dns.rcode.to_text(message.rcode())
        self.is_authoritative = bool(message.flags & dns.flags.AA)

    def values(self, kind=None):
        """The answer's data as text, sorted; of one type, or of all."""
        return sorted(
            record.to_text() for records in self.message.answer for record in records
            if kind is None or records.rdtype == dns.rdatatype.from_text(kind))

    @property
    def ttls(self):
        return [records.ttl for records in self.message.answer]

    @property
    def scope(self):
        """How much of the client's subnet the answer depends on; None if nothing is said of it."""
        for option in self.message.options:
            if isinstance(option, dns.edns.ECSOption):
                return option.scopelen
        return None

    def __repr__(self):
        return self.message.to_text()


def ask(port, name, kind="A", subnet=None, over="udp", want_dnssec=False):
    """Asks the name server on that port of this machine."""
    options = [dns.edns.ECSOption(*subnet)] if subnet else []
    query = dns.message.make_query(
        name, kind, use_edns=0, options=options, want_dnssec=want_dnssec)
    how = {"udp": dns.query.udp, "tcp": dns.query.tcp}[over]
    return Answer(how(query, "127.0.0.1", port=port, timeout=TIMEOUT_SECS))


def record_set(name, kind="A", *values, ttl=60, **more):
    """A record set of values, or of whatever `more` says."""
    own = {"TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]} if values else {}
    return {"Name": name, "Type": kind, **own, **more}


class DnsCase(AwsCase):
    """An AwsCase that asks its server's name server too."""

    @classmethod
    def set_up(cls):
        super().set_up()
        cls.route53 = cls.server.client("route53")

    def zone(self, name=None, **more):
        """A new hosted zone; its id and name."""
        name = name or f"{unique('z')}.example.com"
        made = self.route53.create_hosted_zone(Name=name, CallerReference=unique("ref"), **more)
        return made["HostedZone"]["Id"].removeprefix("/hostedzone/"), name

    def change(self, zone, *changes, action="UPSERT", wait=True):
        """One batch of record sets, and until all name servers have it."""
        batch = [{"Action": action, "ResourceRecordSet": changed} for changed in changes]
        made = self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": batch})["ChangeInfo"]
        if wait:
            self.await_in_sync(made["Id"])
        return made

    def await_in_sync(self, change):
        def is_in_sync():
            return self.route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC"

        processes.eventually(f"{change} to be in sync", is_in_sync)

    def ask(self, name, kind="A", **more):
        return ask(self.server.dns_port, name, kind, **more)

    def await_answer(self, expected, name, kind="A", timeout=30, **more):
        """Asks until the answer's values are those."""
        def is_there():
            return self.ask(name, kind, **more).values() == expected

        processes.eventually(f"{name} {kind} to be {expected}", is_there, timeout)
