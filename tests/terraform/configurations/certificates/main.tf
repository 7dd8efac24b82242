# A site of its own name with HTTPS: the zone, the certificate, its validation, the distribution.

variable "origin_port" {
  type = number
}

locals {
  domain = "shop.example.com"
}

resource "aws_route53_zone" "site" {
  name = local.domain
}

resource "aws_acm_certificate" "site" {
  domain_name               = local.domain
  subject_alternative_names = ["*.${local.domain}"]
  validation_method         = "DNS"
  key_algorithm             = "EC_prime256v1"
  tags                      = { word = var.changed ? "changed" : "first" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.site.domain_validation_options :
    option.domain_name => {
      name  = option.resource_record_name
      type  = option.resource_record_type
      value = option.resource_record_value
    }
  }

  # The name and its wildcard have one record.
  allow_overwrite = true
  zone_id         = aws_route53_zone.site.zone_id
  name            = each.value.name
  type            = each.value.type
  records         = [each.value.value]
  ttl             = 60
}

resource "aws_acm_certificate_validation" "site" {
  certificate_arn         = aws_acm_certificate.site.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_cloudfront_distribution" "site" {
  enabled         = true
  comment         = "with a name of its own"
  aliases         = [local.domain, "www.${local.domain}"]
  http_version    = "http2and3"
  is_ipv6_enabled = true

  origin {
    origin_id   = "site"
    domain_name = "127.0.0.1"

    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "site"
    viewer_protocol_policy = "redirect-to-https"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.optimized.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.site.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = var.changed ? "TLSv1.2_2019" : "TLSv1.2_2021"
  }
}

resource "aws_route53_record" "site" {
  for_each = toset([local.domain, "www.${local.domain}"])
  zone_id  = aws_route53_zone.site.zone_id
  name     = each.key
  type     = "A"

  alias {
    name                   = aws_cloudfront_distribution.site.domain_name
    zone_id                = aws_cloudfront_distribution.site.hosted_zone_id
    evaluate_target_health = false
  }
}

data "aws_cloudfront_cache_policy" "optimized" {
  name = "Managed-CachingOptimized"
}

data "aws_acm_certificate" "site" {
  domain      = aws_acm_certificate_validation.site.certificate_arn == "" ? "" : local.domain
  key_types   = ["EC_prime256v1"]
  statuses    = ["ISSUED"]
  most_recent = true
}
