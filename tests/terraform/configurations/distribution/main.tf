# One distribution with a bit of everything, and all that it refers to.

# Where the origin listens.
variable "origin_port" {
  type = number
}

# PEM.
variable "public_key" {
  type = string
}

locals {
  word = var.changed ? "changed" : "first"
}

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

data "aws_cloudfront_cache_policy" "optimized" {
  name = "Managed-CachingOptimized"
}

data "aws_cloudfront_origin_request_policy" "all_viewer" {
  name = "Managed-AllViewer"
}

data "aws_cloudfront_response_headers_policy" "security" {
  name = "Managed-SecurityHeadersPolicy"
}

resource "aws_cloudfront_cache_policy" "pages" {
  name        = "pages"
  default_ttl = 60
  min_ttl     = 0
  max_ttl     = 3600

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip = true
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "whitelist"
      query_strings {
        items = ["page"]
      }
    }
  }
}

resource "aws_cloudfront_origin_request_policy" "language" {
  name = "language"

  cookies_config {
    cookie_behavior = "none"
  }
  headers_config {
    header_behavior = "whitelist"
    headers {
      items = ["Accept-Language"]
    }
  }
  query_strings_config {
    query_string_behavior = "all"
  }
}

resource "aws_cloudfront_response_headers_policy" "answers" {
  name = "answers"

  custom_headers_config {
    items {
      header   = "X-Answer"
      value    = local.word
      override = true
    }
  }
  security_headers_config {
    frame_options {
      frame_option = "DENY"
      override     = true
    }
  }
}

resource "aws_cloudfront_origin_access_control" "bucket" {
  name                              = "bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_origin_access_identity" "old" {
  comment = "old"
}

resource "aws_cloudfront_public_key" "signer" {
  name        = "signer"
  encoded_key = var.public_key
}

resource "aws_cloudfront_key_group" "signers" {
  name  = "signers"
  items = [aws_cloudfront_public_key.signer.id]
}

resource "aws_cloudfront_field_level_encryption_profile" "cards" {
  name = "cards"

  encryption_entities {
    items {
      public_key_id = aws_cloudfront_public_key.signer.id
      provider_id   = "payments"
      field_patterns {
        items = ["card-number"]
      }
    }
  }
}

resource "aws_cloudfront_field_level_encryption_config" "forms" {
  content_type_profile_config {
    forward_when_content_type_is_unknown = false
    content_type_profiles {
      items {
        content_type = "application/x-www-form-urlencoded"
        format       = "URLEncoded"
        profile_id   = aws_cloudfront_field_level_encryption_profile.cards.id
      }
    }
  }
  query_arg_profile_config {
    forward_when_query_arg_profile_is_unknown = false
  }
}

resource "aws_cloudfront_function" "redirect" {
  name    = "redirect"
  runtime = "cloudfront-js-2.0"
  code    = "function handler(event) { return event.request; }"
}

resource "aws_cloudfront_realtime_log_config" "log" {
  name          = "log"
  sampling_rate = 100
  fields        = ["timestamp", "c-ip"]

  endpoint {
    stream_type = "Kinesis"
    kinesis_stream_config {
      role_arn   = "arn:aws:iam::123456789012:role/log"
      stream_arn = "arn:aws:kinesis:us-east-1:123456789012:stream/log"
    }
  }
}

resource "aws_cloudfront_vpc_origin" "internal" {
  vpc_origin_endpoint_config {
    name                   = "internal"
    arn                    = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "match-viewer"
    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
}

resource "aws_cloudfront_distribution" "shop" {
  enabled             = true
  aliases             = var.changed ? ["shop.test", "new.shop.test"] : ["shop.test"]
  comment             = local.word
  default_root_object = var.changed ? "about.html" : "index.html"
  http_version        = "http2and3"
  is_ipv6_enabled     = true
  price_class         = var.changed ? "PriceClass_100" : "PriceClass_All"
  web_acl_id          = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/0123456789abcdef"

  origin {
    origin_id           = "site"
    domain_name         = "127.0.0.1"
    connection_attempts = 2
    connection_timeout  = 5
    custom_header {
      name  = "X-Secret"
      value = local.word
    }
    custom_header {
      name  = "X-Shop"
      value = "1"
    }
    custom_origin_config {
      http_port                = var.origin_port
      https_port               = 443
      origin_protocol_policy   = "http-only"
      origin_ssl_protocols     = ["TLSv1.1", "TLSv1.2"]
      origin_read_timeout      = 20
      origin_keepalive_timeout = 15
    }
    origin_shield {
      enabled              = true
      origin_shield_region = "us-east-1"
    }
  }

  origin {
    origin_id   = "backup"
    domain_name = "127.0.0.1"
    origin_path = "/backup"
    custom_origin_config {
      http_port              = var.origin_port
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  origin {
    origin_id   = "secure"
    domain_name = "forms.example"
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  origin {
    origin_id                = "bucket"
    domain_name              = "shop-files.s3.us-east-1.amazonaws.com"
    origin_access_control_id = aws_cloudfront_origin_access_control.bucket.id
  }

  origin {
    origin_id   = "old-bucket"
    domain_name = "shop-old.s3.amazonaws.com"
    s3_origin_config {
      origin_access_identity = aws_cloudfront_origin_access_identity.old.cloudfront_access_identity_path
    }
  }

  origin {
    origin_id   = "internal"
    domain_name = "internal.example"
    vpc_origin_config {
      vpc_origin_id            = aws_cloudfront_vpc_origin.internal.id
      origin_keepalive_timeout = 10
      origin_read_timeout      = 40
    }
  }

  origin_group {
    origin_id = "site-or-backup"
    failover_criteria {
      status_codes = [500, 503]
    }
    member {
      origin_id = "site"
    }
    member {
      origin_id = "backup"
    }
  }

  default_cache_behavior {
    target_origin_id           = "site-or-backup"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    viewer_protocol_policy     = "allow-all"
    compress                   = true
    cache_policy_id            = aws_cloudfront_cache_policy.pages.id
    origin_request_policy_id   = aws_cloudfront_origin_request_policy.language.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.answers.id
  }

  ordered_cache_behavior {
    path_pattern               = "/api/*"
    target_origin_id           = "site"
    allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods             = ["GET", "HEAD"]
    viewer_protocol_policy     = "allow-all"
    cache_policy_id            = data.aws_cloudfront_cache_policy.disabled.id
    origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.all_viewer.id
    response_headers_policy_id = data.aws_cloudfront_response_headers_policy.security.id
  }

  # The legacy style.
  ordered_cache_behavior {
    path_pattern           = "/old/*"
    target_origin_id       = "site"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "allow-all"
    min_ttl                = 0
    default_ttl            = var.changed ? 600 : 300
    max_ttl                = 3600
    forwarded_values {
      query_string            = true
      query_string_cache_keys = ["page"]
      headers                 = ["Accept-Language"]
      cookies {
        forward           = "whitelist"
        whitelisted_names = ["theme"]
      }
    }
  }

  ordered_cache_behavior {
    path_pattern           = "/members/*"
    target_origin_id       = "bucket"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "redirect-to-https"
    cache_policy_id        = data.aws_cloudfront_cache_policy.optimized.id
    trusted_key_groups     = [aws_cloudfront_key_group.signers.id]
  }

  ordered_cache_behavior {
    path_pattern           = "/archive/*"
    target_origin_id       = "old-bucket"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    viewer_protocol_policy = "https-only"
    trusted_signers        = ["self"]
    forwarded_values {
      query_string = false
      cookies {
        forward = "none"
      }
    }
  }

  ordered_cache_behavior {
    path_pattern              = "/forms/*"
    target_origin_id          = "secure"
    allowed_methods           = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods            = ["GET", "HEAD"]
    viewer_protocol_policy    = "https-only"
    cache_policy_id           = data.aws_cloudfront_cache_policy.disabled.id
    field_level_encryption_id = aws_cloudfront_field_level_encryption_config.forms.id
    realtime_log_config_arn   = aws_cloudfront_realtime_log_config.log.arn
    lambda_function_association {
      event_type   = "origin-request"
      lambda_arn   = "arn:aws:lambda:us-east-1:123456789012:function:forms:3"
      include_body = true
    }
  }

  ordered_cache_behavior {
    path_pattern           = "/internal/*"
    target_origin_id       = "internal"
    allowed_methods        = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods         = ["GET", "HEAD", "OPTIONS"]
    viewer_protocol_policy = "https-only"
    cache_policy_id        = data.aws_cloudfront_cache_policy.disabled.id
    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.redirect.arn
    }
    grpc_config {
      enabled = true
    }
  }

  custom_error_response {
    error_code            = 404
    response_code         = var.changed ? 200 : 404
    response_page_path    = "/errors/404.html"
    error_caching_min_ttl = 5
  }

  custom_error_response {
    error_code = 502
  }

  logging_config {
    bucket          = "shop-logs.s3.amazonaws.com"
    include_cookies = true
    prefix          = "shop/"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }

  tags = var.changed ? { team = "b", stage = "test" } : { team = "a", gone = "soon" }
}

resource "aws_cloudfront_monitoring_subscription" "shop" {
  distribution_id = aws_cloudfront_distribution.shop.id
  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = var.changed ? "Disabled" : "Enabled"
    }
  }
}

data "aws_cloudfront_distribution" "shop" {
  id = aws_cloudfront_distribution.shop.id
}
