# Health checks, traffic policies, signing, query logging, and networks of private zones.

# A healthy origin's.
variable "origin_port" {
  type = number
}

locals {
  word = var.changed ? "changed" : "first"
}

# Health checks of every type.

resource "aws_route53_health_check" "http" {
  reference_name    = "origin"
  type              = "HTTP"
  fqdn              = "origin.localhost"
  port              = var.origin_port
  resource_path     = var.changed ? "/about.html?a=b&c" : "/"
  request_interval  = 10
  failure_threshold = var.changed ? 2 : 1
  measure_latency   = true
  tags              = { Name = local.word }

  # Which is not read at an import.
  lifecycle {
    ignore_changes = [reference_name]
  }
}

resource "aws_route53_health_check" "match" {
  type               = "HTTPS_STR_MATCH"
  fqdn               = "www.example.com"
  ip_address         = "203.0.114.${var.changed ? 2 : 1}"
  port               = 443
  resource_path      = "/"
  search_string      = "<${local.word}> & \"x\""
  request_interval   = 30
  failure_threshold  = 3
  enable_sni         = !var.changed
  invert_healthcheck = var.changed
  disabled           = true
  regions = concat(
    ["us-east-1", "eu-west-1", "ap-northeast-1"], var.changed ? ["sa-east-1"] : [],
  )
}

resource "aws_route53_health_check" "tcp" {
  type              = "TCP"
  fqdn              = "origin.localhost"
  port              = var.origin_port
  request_interval  = 30
  failure_threshold = var.changed ? 10 : 1
  disabled          = var.changed
}

# With all left out that the provider does not want replaced when AWS has filled it in.
resource "aws_route53_health_check" "least" {
  type              = "HTTPS"
  fqdn              = "www.example.com"
  request_interval  = 30
  failure_threshold = 3
  disabled          = true
  tags              = { word = local.word }
}

# One that stays as it is: with what would change it, the provider would replace the policy, too,
# whose document names it.
resource "aws_route53_health_check" "steady" {
  type              = "TCP"
  fqdn              = "origin.localhost"
  port              = var.origin_port
  request_interval  = 10
  failure_threshold = 1
}

resource "aws_route53_health_check" "calculated" {
  type                   = "CALCULATED"
  child_health_threshold = var.changed ? 2 : 1
  child_healthchecks = concat(
    [aws_route53_health_check.http.id, aws_route53_health_check.tcp.id],
    var.changed ? [] : [aws_route53_health_check.match.id],
  )
}

resource "aws_route53_health_check" "alarm" {
  type                            = "CLOUDWATCH_METRIC"
  cloudwatch_alarm_name           = local.word
  cloudwatch_alarm_region         = "eu-west-1"
  insufficient_data_health_status = var.changed ? "Unhealthy" : "Healthy"
}

# Traffic policies.

resource "aws_route53_zone" "main" {
  name = "more.example.com"
}

data "aws_route53_traffic_policy_document" "places" {
  record_type = "A"
  start_rule  = "place"

  endpoint {
    id    = "seoul"
    type  = "value"
    value = "192.0.2.1"
  }
  endpoint {
    id    = "frankfurt"
    type  = "value"
    value = "192.0.2.2"
  }
  endpoint {
    id    = "elsewhere"
    type  = "value"
    value = "192.0.2.3"
  }

  rule {
    id   = "place"
    type = "geo"

    location {
      endpoint_reference = "seoul"
      country            = "KR"
    }
    location {
      rule_reference         = "europe"
      continent              = "EU"
      evaluate_target_health = true
    }
    location {
      endpoint_reference = "elsewhere"
      is_default         = true
    }
  }
  rule {
    id   = "europe"
    type = "failover"

    primary {
      endpoint_reference = "frankfurt"
      health_check       = aws_route53_health_check.steady.id
    }
    secondary {
      endpoint_reference = "seoul"
    }
  }
}

resource "aws_route53_traffic_policy" "places" {
  name     = "places"
  comment  = local.word
  document = data.aws_route53_traffic_policy_document.places.json
}

resource "aws_route53_traffic_policy" "one" {
  name    = "one"
  comment = local.word
  document = jsonencode({
    AWSPolicyFormatVersion = "2015-10-01"
    RecordType             = "TXT"
    StartEndpoint          = "here"
    Endpoints              = { here = { Type = "value", Value = "\"here\"" } }
  })
}

resource "aws_route53_traffic_policy_instance" "places" {
  hosted_zone_id         = aws_route53_zone.main.zone_id
  name                   = "places.more.example.com"
  traffic_policy_id      = aws_route53_traffic_policy.places.id
  traffic_policy_version = aws_route53_traffic_policy.places.version
  ttl                    = var.changed ? 120 : 60
}

resource "aws_route53_traffic_policy_instance" "one" {
  hosted_zone_id         = aws_route53_zone.main.zone_id
  name                   = "One.more.example.com."
  traffic_policy_id      = aws_route53_traffic_policy.one.id
  traffic_policy_version = 1
  ttl                    = var.changed ? 120 : 60
}

# Signing. The key that signs is the server's own, whatever the ARN says.

resource "aws_route53_zone" "signed" {
  name = "signed.example.com"
}

resource "aws_route53_key_signing_key" "main" {
  hosted_zone_id             = aws_route53_zone.signed.zone_id
  key_management_service_arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555"
  name                       = "main"
}

resource "aws_route53_key_signing_key" "next" {
  hosted_zone_id             = aws_route53_zone.signed.zone_id
  key_management_service_arn = "arn:aws:kms:us-east-1:123456789012:key/22222222-3333-4444-5555-666"
  name                       = "next_one"
  status                     = var.changed ? "ACTIVE" : "INACTIVE"
}

resource "aws_route53_hosted_zone_dnssec" "signed" {
  hosted_zone_id = aws_route53_key_signing_key.main.hosted_zone_id
  signing_status = var.changed ? "NOT_SIGNING" : "SIGNING"
}

resource "aws_route53_query_log" "signed" {
  zone_id                  = aws_route53_zone.signed.zone_id
  cloudwatch_log_group_arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/signed"
}

# Networks. Neither they nor their account are asked of EC2.

resource "aws_route53_zone" "private" {
  name    = "private.example.com"
  comment = local.word

  vpc {
    vpc_id = "vpc-11111111"
  }
  dynamic "vpc" {
    for_each = toset(var.changed ? ["vpc-33333333"] : ["vpc-22222222"])
    content {
      vpc_id     = vpc.key
      vpc_region = "eu-west-1"
    }
  }
}

resource "aws_route53_record" "private" {
  zone_id = aws_route53_zone.private.zone_id
  name    = "www"
  type    = "A"
  ttl     = var.changed ? 120 : 60
  records = ["10.0.0.1"]
}

resource "aws_route53_zone" "associated" {
  name = "associated.example.com"

  vpc {
    vpc_id = "vpc-11111111"
  }

  lifecycle {
    ignore_changes = [vpc]
  }
}

resource "aws_route53_vpc_association_authorization" "guest" {
  zone_id = aws_route53_zone.associated.zone_id
  vpc_id  = "vpc-44444444"
}

resource "aws_route53_zone_association" "guest" {
  zone_id    = aws_route53_vpc_association_authorization.guest.zone_id
  vpc_id     = aws_route53_vpc_association_authorization.guest.vpc_id
  vpc_region = "us-east-1"
}

# All records of a zone, but for those that every zone has. They stay when this resource goes.

resource "aws_route53_zone" "exclusive" {
  name          = "exclusive.example.com"
  force_destroy = true
}

resource "aws_route53_records_exclusive" "all" {
  zone_id = aws_route53_zone.exclusive.zone_id

  resource_record_set {
    name = "www.exclusive.example.com"
    type = "A"
    ttl  = var.changed ? 120 : 60
    resource_records {
      value = "192.0.2.1"
    }
    resource_records {
      value = "192.0.2.2"
    }
  }
  dynamic "resource_record_set" {
    for_each = var.changed ? { green = 3 } : { blue = 1, green = 2 }
    content {
      name           = "weighted.exclusive.example.com"
      type           = "CNAME"
      ttl            = 60
      set_identifier = resource_record_set.key
      weight         = resource_record_set.value
      resource_records {
        value = "${resource_record_set.key}.example.net"
      }
    }
  }
}

# What data sources tell.

data "aws_route53_zone" "private" {
  name         = aws_route53_zone.private.name
  private_zone = true
}

data "aws_route53_zone" "associated" {
  name   = aws_route53_zone.associated.name
  vpc_id = "vpc-44444444"

  depends_on = [aws_route53_zone_association.guest]
}

data "aws_route53_records" "exclusive" {
  zone_id    = aws_route53_zone.exclusive.zone_id
  depends_on = [aws_route53_records_exclusive.all]
}
