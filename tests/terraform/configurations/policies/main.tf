# Every resource that distributions are made of, and every data source that reads one.
# `changed` changes what can be changed in place; the test counts on it.

variable "public_keys" {
  description = "Three public keys, PEM."
  type        = list(string)
}

resource "aws_cloudfront_cache_policy" "main" {
  name        = "pages"
  comment     = var.changed ? "changed" : "first"
  min_ttl     = 1
  default_ttl = var.changed ? 120 : 60
  max_ttl     = 3600

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = true
    enable_accept_encoding_gzip   = true
    cookies_config {
      cookie_behavior = "whitelist"
      cookies {
        items = ["theme", "session"]
      }
    }
    headers_config {
      header_behavior = "whitelist"
      headers {
        items = ["Accept-Language", "CloudFront-Viewer-Country"]
      }
    }
    query_strings_config {
      query_string_behavior = "allExcept"
      query_strings {
        items = ["utm_source", "utm_medium"]
      }
    }
  }
}

resource "aws_cloudfront_cache_policy" "bare" {
  name = "bare"

  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = var.changed ? "all" : "none"
    }
  }
}

resource "aws_cloudfront_origin_request_policy" "main" {
  name    = "what-the-shop-needs"
  comment = var.changed ? "changed" : "first"

  cookies_config {
    cookie_behavior = "whitelist"
    cookies {
      items = ["cart"]
    }
  }
  headers_config {
    header_behavior = "allViewerAndWhitelistCloudFront"
    headers {
      items = ["CloudFront-Is-Mobile-Viewer"]
    }
  }
  query_strings_config {
    query_string_behavior = var.changed ? "none" : "all"
  }
}

resource "aws_cloudfront_response_headers_policy" "main" {
  name    = "answers"
  comment = var.changed ? "changed" : "first"

  cors_config {
    access_control_allow_credentials = true
    access_control_allow_headers {
      items = ["X-Requested-With"]
    }
    access_control_allow_methods {
      items = ["GET", "HEAD", "OPTIONS"]
    }
    access_control_allow_origins {
      items = ["https://a.example", "https://*.b.example"]
    }
    access_control_expose_headers {
      items = ["X-Total"]
    }
    access_control_max_age_sec = 600
    origin_override            = true
  }

  custom_headers_config {
    items {
      header   = "X-Answer"
      value    = var.changed ? "changed" : "first"
      override = true
    }
    items {
      header   = "X-Origin-May-Differ"
      value    = "yes"
      override = false
    }
  }

  remove_headers_config {
    items {
      header = "X-Powered-By"
    }
  }

  security_headers_config {
    content_security_policy {
      content_security_policy = "default-src 'self'"
      override                = true
    }
    content_type_options {
      override = true
    }
    frame_options {
      frame_option = "SAMEORIGIN"
      override     = false
    }
    referrer_policy {
      referrer_policy = "same-origin"
      override        = true
    }
    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      preload                    = var.changed
      override                   = true
    }
    xss_protection {
      protection = true
      mode_block = true
      override   = false
    }
  }

  server_timing_headers_config {
    enabled       = true
    sampling_rate = 12.5
  }
}

# Each part may also be the only one.
resource "aws_cloudfront_response_headers_policy" "cors" {
  name = "cors"

  cors_config {
    access_control_allow_credentials = false
    access_control_allow_headers {
      items = ["*"]
    }
    access_control_allow_methods {
      items = ["ALL"]
    }
    access_control_allow_origins {
      items = ["*"]
    }
    origin_override = var.changed
  }
}

resource "aws_cloudfront_origin_access_control" "main" {
  name                              = "bucket"
  description                       = var.changed ? "changed" : "first"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = var.changed ? "no-override" : "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_origin_access_control" "bare" {
  name                              = var.changed ? "function-url-of-today" : "function-url"
  origin_access_control_origin_type = "lambda"
  signing_behavior                  = "never"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_origin_access_identity" "main" {
  comment = var.changed ? "changed" : "first"
}

resource "aws_cloudfront_public_key" "main" {
  count       = 3
  name        = "key-${count.index}"
  comment     = var.changed ? "changed" : "first"
  encoded_key = var.public_keys[count.index]
}

# The provider gives it a name.
resource "aws_cloudfront_public_key" "prefixed" {
  name_prefix = "made-up-"
  comment     = var.changed ? "changed" : "first"
  encoded_key = var.public_keys[0]
}

resource "aws_cloudfront_key_group" "main" {
  name    = "signers"
  comment = var.changed ? "changed" : "first"
  items   = slice(aws_cloudfront_public_key.main[*].id, 0, var.changed ? 3 : 2)
}

resource "aws_cloudfront_field_level_encryption_profile" "main" {
  name    = "cards"
  comment = var.changed ? "changed" : "first"

  encryption_entities {
    items {
      public_key_id = aws_cloudfront_public_key.main[0].id
      provider_id   = "payments"
      field_patterns {
        items = ["card-number", "cvc-*"]
      }
    }
  }
}

resource "aws_cloudfront_field_level_encryption_config" "main" {
  comment = var.changed ? "changed" : "first"

  content_type_profile_config {
    forward_when_content_type_is_unknown = true
    content_type_profiles {
      items {
        content_type = "application/x-www-form-urlencoded"
        format       = "URLEncoded"
        profile_id   = aws_cloudfront_field_level_encryption_profile.main.id
      }
    }
  }

  query_arg_profile_config {
    forward_when_query_arg_profile_is_unknown = var.changed
    query_arg_profiles {
      items {
        profile_id = aws_cloudfront_field_level_encryption_profile.main.id
        query_arg  = "profile"
      }
    }
  }
}

resource "aws_cloudfront_realtime_log_config" "main" {
  name          = "log"
  sampling_rate = var.changed ? 50 : 100
  fields        = var.changed ? ["timestamp", "c-ip", "cs-uri-stem"] : ["timestamp", "c-ip"]

  endpoint {
    stream_type = "Kinesis"
    kinesis_stream_config {
      role_arn   = "arn:aws:iam::123456789012:role/log"
      stream_arn = "arn:aws:kinesis:us-east-1:123456789012:stream/log"
    }
  }
}

resource "aws_cloudfront_vpc_origin" "main" {
  vpc_origin_endpoint_config {
    name                   = "internal"
    arn                    = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop/0123456789abcdef"
    http_port              = var.changed ? 8080 : 80
    https_port             = 443
    origin_protocol_policy = "https-only"
    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }
  tags = {
    team = var.changed ? "b" : "a"
  }
}

# Data sources. Where one has the name of a resource, it must say the same.

data "aws_cloudfront_cache_policy" "main" {
  name = aws_cloudfront_cache_policy.main.name
}

data "aws_cloudfront_cache_policy" "bare" {
  id = aws_cloudfront_cache_policy.bare.id
}

data "aws_cloudfront_cache_policy" "managed" {
  for_each = toset([
    "Managed-Amplify",
    "Managed-CachingDisabled",
    "Managed-CachingOptimized",
    "Managed-CachingOptimizedForUncompressedObjects",
    "Managed-Elemental-MediaPackage",
    "UseOriginCacheControlHeaders",
    "UseOriginCacheControlHeaders-QueryStrings",
  ])
  name = each.key
}

data "aws_cloudfront_origin_request_policy" "main" {
  name = aws_cloudfront_origin_request_policy.main.name
}

data "aws_cloudfront_origin_request_policy" "managed" {
  for_each = toset([
    "Managed-AllViewer",
    "Managed-AllViewerAndCloudFrontHeaders-2022-06",
    "Managed-AllViewerExceptHostHeader",
    "Managed-CORS-CustomOrigin",
    "Managed-CORS-S3Origin",
    "Managed-Elemental-MediaTailor-PersonalizedManifests",
    "Managed-UserAgentRefererHeaders",
  ])
  name = each.key
}

data "aws_cloudfront_response_headers_policy" "main" {
  name = aws_cloudfront_response_headers_policy.main.name
}

data "aws_cloudfront_response_headers_policy" "cors" {
  id = aws_cloudfront_response_headers_policy.cors.id
}

data "aws_cloudfront_response_headers_policy" "managed" {
  for_each = toset([
    "Managed-CORS-and-SecurityHeadersPolicy",
    "Managed-CORS-With-Preflight",
    "Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
    "Managed-SecurityHeadersPolicy",
    "Managed-SimpleCORS",
  ])
  name = each.key
}

data "aws_cloudfront_origin_access_control" "main" {
  id = aws_cloudfront_origin_access_control.main.id
}

data "aws_cloudfront_origin_access_identity" "main" {
  id = aws_cloudfront_origin_access_identity.main.id
}

data "aws_cloudfront_origin_access_identities" "all" {
  depends_on = [aws_cloudfront_origin_access_identity.main]
}

data "aws_cloudfront_origin_access_identities" "first" {
  comments   = ["first"]
  depends_on = [aws_cloudfront_origin_access_identity.main]
}

data "aws_cloudfront_realtime_log_config" "main" {
  name = aws_cloudfront_realtime_log_config.main.name
}

data "aws_cloudfront_log_delivery_canonical_user_id" "here" {}

data "aws_caller_identity" "me" {}
