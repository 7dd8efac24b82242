# A distribution, a staging copy of it, and the policy that says which viewers see the copy.

# Where the origin listens.
variable "origin_port" {
  type = number
}

# Instead of the header: some of all viewers.
variable "by_weight" {
  type    = bool
  default = false
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_acm_certificate" "site" {
  domain_name       = "blue.test"
  validation_method = "DNS"
}

resource "aws_cloudfront_distribution" "primary" {
  enabled = true
  aliases = ["blue.test"]
  # As on AWS, a policy can be set once the distribution is made.
  continuous_deployment_policy_id = var.changed ? aws_cloudfront_continuous_deployment_policy.main.id : null

  origin {
    origin_id   = "site"
    domain_name = "127.0.0.1"
    origin_path = "/blue"
    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "site"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "allow-all"
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate.site.arn
    minimum_protocol_version = "TLSv1.2_2021"
    ssl_support_method       = "sni-only"
  }
}

resource "aws_cloudfront_distribution" "staging" {
  enabled = true
  staging = true

  origin {
    origin_id   = "site"
    domain_name = "127.0.0.1"
    origin_path = "/green"
    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "site"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "allow-all"
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

resource "aws_cloudfront_continuous_deployment_policy" "main" {
  enabled = true

  staging_distribution_dns_names {
    items    = [aws_cloudfront_distribution.staging.domain_name]
    quantity = 1
  }

  traffic_config {
    type = var.by_weight ? "SingleWeight" : "SingleHeader"

    dynamic "single_header_config" {
      for_each = var.by_weight ? [] : [1]
      content {
        header = "aws-cf-cd-stage"
        value  = "green"
      }
    }

    dynamic "single_weight_config" {
      for_each = var.by_weight ? [1] : []
      content {
        # The provider reads a 32-bit number: of others, an import would differ.
        weight = 0.125
        session_stickiness_config {
          idle_ttl    = 300
          maximum_ttl = 600
        }
      }
    }
  }
}
