"""Where Warmfront means to answer otherwise than both Knot and NSD, and why."""


def reason_for(query, ours, knot, nsd):
    """Why an answer may differ from both; nothing if it may not."""
    for applies, reason in DELIBERATE:
        if applies(query, ours, knot, nsd):
            return reason
    return None


def is_refused_transfer(query, ours, *_):
    return query.kind == "transfer by UDP" and (ours.rcode, ours.answer) == ("REFUSED", ())


def is_refused_class(query, ours, *_):
    is_any = query.kind == "odd class" and query.message.endswith(b"\0\xff")
    return is_any and (ours.rcode, ours.answer) == ("REFUSED", ())


def is_unreadable(query, ours, knot, nsd):
    are_silent = knot.rcode == nsd.rcode == "silent"
    return are_silent and (ours.rcode, ours.size) == ("FORMERR", 12)


def has_two_options(query, ours, knot, nsd):
    """Three FORMERRs, of which only ours has an OPT record."""
    rcodes = {answer.rcode for answer in (ours, knot, nsd)}
    return query.kind == "wrong counts" and rcodes == {"FORMERR"} and ours.edns == 0


DELIBERATE = [
    (is_refused_transfer, "A transfer by UDP is REFUSED as transfers are that are not allowed; "
                          "Knot and NSD say NOTIMP or NOTAUTH."),
    (is_refused_class, "Class ANY is REFUSED as every class but IN; Knot and NSD answer as for "
                       "IN."),
    (is_unreadable, "A question that cannot be read is a FORMERR of a header alone; Knot and NSD "
                    "are silent about some."),
    (has_two_options, "Two OPT records are a FORMERR with one; Knot's and NSD's have none."),
]
