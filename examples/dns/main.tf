# A zone that sends viewers to different places, and away from what is broken. Nothing here knows of
# Warmfront: the endpoint and the key come from the environment.
#
# Two origins are to run: blue on 127.0.0.1:3001, green on 127.0.0.1:3002.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region = "us-east-1"
}

resource "aws_route53_zone" "shop" {
  name = "shop.test"
}

# www: by the network of whoever asks.

resource "aws_route53_cidr_collection" "offices" {
  name = "offices"
}

resource "aws_route53_cidr_location" "seoul" {
  cidr_collection_id = aws_route53_cidr_collection.offices.id
  name               = "seoul"
  cidr_blocks        = ["203.0.113.0/24"]
}

resource "aws_route53_record" "www" {
  for_each       = { seoul = "192.0.2.1", "*" = "192.0.2.2" }
  zone_id        = aws_route53_zone.shop.zone_id
  name           = "www.shop.test"
  type           = "A"
  ttl            = 60
  records        = [each.value]
  set_identifier = each.key == "*" ? "elsewhere" : each.key

  cidr_routing_policy {
    collection_id = aws_route53_cidr_collection.offices.id
    location_name = each.key
  }

  depends_on = [aws_route53_cidr_location.seoul]
}

# app: blue as long as it is healthy, else green.

resource "aws_route53_health_check" "origin" {
  for_each          = { blue = 3001, green = 3002 }
  type              = "HTTP"
  fqdn              = "${each.key}.localhost"
  port              = each.value
  resource_path     = "/"
  request_interval  = 10
  failure_threshold = 1
}

resource "aws_route53_record" "app" {
  for_each        = { blue = "PRIMARY", green = "SECONDARY" }
  zone_id         = aws_route53_zone.shop.zone_id
  name            = "app.shop.test"
  type            = "TXT"
  ttl             = 5
  records         = [each.key]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.origin[each.key].id

  failover_routing_policy {
    type = each.value
  }
}

# cdn: a distribution in front of both. Edges know of the health checks, too: while blue is
# unhealthy, green is asked without an attempt.

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_cloudfront_distribution" "shop" {
  enabled = true
  comment = "blue, else green"
  aliases = ["cdn.shop.test"]

  dynamic "origin" {
    for_each = aws_route53_health_check.origin
    content {
      origin_id   = origin.key
      domain_name = origin.value.fqdn
      custom_origin_config {
        http_port              = origin.value.port
        https_port             = 443
        origin_protocol_policy = "http-only"
        origin_ssl_protocols   = ["TLSv1.2"]
      }
    }
  }

  origin_group {
    origin_id = "blue-else-green"
    failover_criteria { status_codes = [500, 502, 503, 504] }
    member { origin_id = "blue" }
    member { origin_id = "green" }
  }

  default_cache_behavior {
    target_origin_id       = "blue-else-green"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
  }

  restrictions {
    geo_restriction { restriction_type = "none" }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

resource "aws_route53_record" "cdn" {
  for_each = toset(["A", "AAAA"])
  zone_id  = aws_route53_zone.shop.zone_id
  name     = "cdn.shop.test"
  type     = each.key

  alias {
    name                   = aws_cloudfront_distribution.shop.domain_name
    zone_id                = aws_cloudfront_distribution.shop.hosted_zone_id
    evaluate_target_health = false
  }
}

output "name_servers" { value = aws_route53_zone.shop.name_servers }
