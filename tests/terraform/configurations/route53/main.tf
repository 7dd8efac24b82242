# Hosted zones, and record sets of every type and policy.

# Where a healthy origin listens.
variable "origin_port" {
  type = number
}

# Where nobody does.
variable "closed_port" {
  type = number
}

locals {
  word = var.changed ? "changed" : "first"
  ttl  = var.changed ? 120 : 60

  # RFC 5737's and 3849's addresses; the change is of the last number.
  last = var.changed ? 2 : 1
  ipv4 = "192.0.2.${local.last}"
}

resource "aws_route53_delegation_set" "shared" {
  reference_name = "shared"

  # Which is not read at an import.
  lifecycle {
    ignore_changes = [reference_name]
  }
}

resource "aws_route53_zone" "main" {
  name    = "Main.example.com."
  comment = local.word
  tags    = var.changed ? { word = "changed", also = "ü & <x>" } : { word = "first", gone = "" }
}

resource "aws_route53_zone" "shared" {
  for_each          = toset(["example.org", "example.net"])
  name              = each.key
  delegation_set_id = aws_route53_delegation_set.shared.id
}

# What is in it when it goes, Terraform does not know of.
resource "aws_route53_zone" "forced" {
  name          = "forced.example.com"
  force_destroy = true
  comment       = local.word
}

# Record sets of one answer.

locals {
  values = {
    A     = [local.ipv4, "192.0.2.9"]
    AAAA  = ["2001:db8::${local.last}"]
    CAA   = ["0 issue \"${local.word}.example.net\"", "0 iodef \"mailto:x@example.net\""]
    HTTPS = ["1 . alpn=\"h2,h3\" port=${8440 + local.last} ipv4hint=192.0.2.1,192.0.2.2"]
    MX    = ["10 a.example.net", "${10 + local.last} b.example.net."]
    NAPTR = ["100 ${local.last} \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.net!\" ."]
    PTR   = ["${local.word}.example.net"]
    SPF   = ["v=spf1 ip4:${local.ipv4}/32 -all"]
    SRV   = ["${local.last} 10 5060 sip.example.net"]
    SSHFP = ["4 2 ${sha256(local.word)}"]
    SVCB  = ["0 ${local.word}.example.net"]
    TLSA  = ["3 1 1 ${sha256(local.word)}"]
    TXT   = ["${local.word} of several words", "say \\\"${local.word}\\\"", "\\344\\040 x"]
  }
}

resource "aws_route53_record" "type" {
  for_each = local.values
  zone_id  = aws_route53_zone.main.zone_id
  name     = "types"
  type     = each.key
  ttl      = local.ttl
  records  = each.value
}

# Names in the forms that people write them in.
resource "aws_route53_record" "name" {
  for_each = toset([
    "main.example.com", "Upper.Main.Example.com", "*.wild", "_sip._tcp", "a*b", "xn--bcher-kva",
  ])
  zone_id = aws_route53_zone.main.zone_id
  name    = each.key
  type    = "TXT"
  ttl     = local.ttl
  records = [each.key, local.word]
}

# Longer than the 255 bytes of one string.
resource "aws_route53_record" "long" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "selector._domainkey.main.example.com"
  type    = "TXT"
  ttl     = 300
  records = [join("\"\"", ["v=DKIM1; p=", sha512(local.word), sha512("${local.word}, too")])]
}

resource "aws_route53_record" "cname" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "cname"
  type    = "CNAME"
  ttl     = local.ttl
  records = [var.changed ? "types.main.example.com" : "Types.main.example.com."]
}

# A child that is served elsewhere, and signed.
resource "aws_route53_record" "child" {
  for_each = {
    NS = ["ns1.example.net", "ns${1 + local.last}.example.net."]
    DS = ["${1000 + local.last} 13 2 ${upper(sha256("key"))}"]
  }
  zone_id = aws_route53_zone.main.zone_id
  name    = "child"
  type    = each.key
  ttl     = local.ttl
  records = each.value
}

# What every zone has, replaced.
resource "aws_route53_record" "apex" {
  for_each = {
    NS  = [for server in aws_route53_zone.main.name_servers : "${server}."]
    SOA = ["${aws_route53_zone.main.primary_name_server}. me.example.net. 7 7200 900 1209600 60"]
  }
  zone_id         = aws_route53_zone.main.zone_id
  name            = "main.example.com"
  type            = each.key
  ttl             = local.ttl
  records         = each.value
  allow_overwrite = true
}

# By health.

resource "aws_route53_health_check" "origin" {
  for_each          = { up = var.origin_port, down = var.closed_port }
  type              = "HTTP"
  fqdn              = "${each.key}.localhost"
  port              = each.value
  resource_path     = "/index.html"
  request_interval  = 10
  failure_threshold = 1
}

resource "aws_route53_record" "failover" {
  for_each = {
    down = { role = "PRIMARY", value = "192.0.2.10" }
    up   = { role = "SECONDARY", value = "192.0.2.2${local.last}" }
  }
  zone_id         = aws_route53_zone.main.zone_id
  name            = "failover"
  type            = "A"
  ttl             = local.ttl
  records         = [each.value.value]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.origin[each.key].id

  failover_routing_policy {
    type = each.value.role
  }
}

resource "aws_route53_record" "multivalue" {
  for_each                         = { up = "192.0.2.3${local.last}", down = "192.0.2.30" }
  zone_id                          = aws_route53_zone.main.zone_id
  name                             = "multivalue"
  type                             = "A"
  ttl                              = local.ttl
  records                          = [each.value]
  set_identifier                   = each.key
  health_check_id                  = aws_route53_health_check.origin[each.key].id
  multivalue_answer_routing_policy = true
}

# By chance. All of a group have one TTL, so that the provider, which changes them one by one, can
# change everything else.

resource "aws_route53_record" "weighted" {
  for_each       = { all = var.changed ? 255 : 1, none = 0 }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "weighted"
  type           = "CNAME"
  ttl            = 60
  records        = ["${each.key}.${local.word}.example.net"]
  set_identifier = each.key

  weighted_routing_policy {
    weight = each.value
  }
}

# By place.

resource "aws_route53_record" "latency" {
  for_each = {
    america = "us-east-1"
    europe  = "eu-west-1"
    asia    = var.changed ? "ap-east-1" : "ap-northeast-3"
  }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "latency"
  type           = "AAAA"
  ttl            = local.ttl
  records        = ["2001:db8::1"]
  set_identifier = each.key

  latency_routing_policy {
    region = each.value
  }
}

resource "aws_route53_record" "geolocation" {
  for_each = {
    default    = { country = "*" }
    europe     = { continent = "EU" }
    country    = { country = var.changed ? "FR" : "DE" }
    california = { country = "US", subdivision = "CA" }
  }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "geolocation"
  type           = "TXT"
  ttl            = local.ttl
  records        = [each.key]
  set_identifier = each.key

  geolocation_routing_policy {
    continent   = lookup(each.value, "continent", null)
    country     = lookup(each.value, "country", null)
    subdivision = lookup(each.value, "subdivision", null)
  }
}

resource "aws_route53_record" "geoproximity" {
  for_each = {
    region      = { aws_region = "eu-west-1", bias = var.changed ? 50 : -50 }
    zone        = { local_zone_group = "us-west-2-lax-1" }
    coordinates = { latitude = "49.22", longitude = var.changed ? "-74.01" : "10.5", bias = 1 }
  }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "geoproximity"
  type           = "MX"
  ttl            = local.ttl
  records        = ["10 ${each.key}.example.net"]
  set_identifier = each.key

  geoproximity_routing_policy {
    aws_region       = lookup(each.value, "aws_region", null)
    local_zone_group = lookup(each.value, "local_zone_group", null)
    bias             = lookup(each.value, "bias", null)

    dynamic "coordinates" {
      for_each = lookup(each.value, "latitude", null) == null ? [] : [each.value]
      content {
        latitude  = coordinates.value.latitude
        longitude = coordinates.value.longitude
      }
    }
  }
}

# By network.

resource "aws_route53_cidr_collection" "networks" {
  name = "networks"
}

resource "aws_route53_cidr_location" "seoul" {
  cidr_collection_id = aws_route53_cidr_collection.networks.id
  name               = "seoul"
  cidr_blocks        = ["203.0.113.0/24", "2001:db8:1::/48"]
}

# One after the other: the provider changes the version of the collection that it has just read.
resource "aws_route53_cidr_location" "office" {
  cidr_collection_id = aws_route53_cidr_location.seoul.cidr_collection_id
  name               = "office"
  cidr_blocks        = concat(["198.51.100.0/24"], var.changed ? [] : ["2001:db8:2::/48"])
}

resource "aws_route53_record" "network" {
  for_each = {
    seoul     = aws_route53_cidr_location.seoul.name
    office    = aws_route53_cidr_location.office.name
    elsewhere = "*"
  }
  zone_id        = aws_route53_zone.main.zone_id
  name           = "network"
  type           = "TXT"
  ttl            = local.ttl
  records        = ["${local.word} ${each.key}"]
  set_identifier = each.key

  cidr_routing_policy {
    collection_id = aws_route53_cidr_collection.networks.id
    location_name = each.value
  }
}

# Aliases: to a record set, to a group that is routed, and to a distribution.

resource "aws_route53_record" "alias" {
  for_each = {
    simple = { type = "A", to = aws_route53_record.type["A"].fqdn }
    group  = { type = "TXT", to = aws_route53_record.network["elsewhere"].fqdn }
  }
  zone_id = aws_route53_zone.main.zone_id
  name    = "alias-${each.key}"
  type    = each.value.type

  alias {
    zone_id                = aws_route53_zone.main.zone_id
    name                   = each.value.to
    evaluate_target_health = var.changed
  }
}

# A tree: regions, in each a choice by health.
resource "aws_route53_record" "tree" {
  for_each       = toset(["us-east-1", "eu-west-1"])
  zone_id        = aws_route53_zone.main.zone_id
  name           = "tree"
  type           = "A"
  set_identifier = each.key

  latency_routing_policy {
    region = each.key
  }

  alias {
    zone_id                = aws_route53_zone.main.zone_id
    name                   = aws_route53_record.failover["up"].fqdn
    evaluate_target_health = !var.changed
  }
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_cloudfront_distribution" "cdn" {
  enabled             = true
  aliases             = ["cdn.main.example.com"]
  wait_for_deployment = false

  origin {
    origin_id   = "origin"
    domain_name = "127.0.0.1"
    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "origin"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

resource "aws_route53_record" "cdn" {
  for_each = toset(["A", "AAAA"])
  zone_id  = aws_route53_zone.main.zone_id
  name     = "cdn"
  type     = each.key

  alias {
    zone_id                = aws_cloudfront_distribution.cdn.hosted_zone_id
    name                   = aws_cloudfront_distribution.cdn.domain_name
    evaluate_target_health = false
  }
}

# What data sources tell.

data "aws_route53_delegation_set" "shared" {
  id = aws_route53_delegation_set.shared.id
}

data "aws_route53_zone" "main" {
  name = aws_route53_zone.main.name
}

data "aws_route53_zone" "forced" {
  zone_id = aws_route53_zone.forced.zone_id
}

data "aws_route53_zone" "tagged" {
  name = aws_route53_zone.main.name
  tags = { word = aws_route53_zone.main.tags.word }
}

data "aws_route53_zones" "all" {
  depends_on = [aws_route53_zone.main, aws_route53_zone.shared, aws_route53_zone.forced]
}

data "aws_route53_records" "network" {
  zone_id    = aws_route53_zone.main.zone_id
  name_regex = "^network\\."
  depends_on = [aws_route53_record.network]
}
