# Buckets with everything that can be set of them, and objects.

# A file of so many bytes that it is uploaded in parts.
variable "large_file" {
  type = string
}

# Whether there is a copy: the provider cannot import it.
variable "copied" {
  type    = bool
  default = true
}

# The account, as S3 names it; nothing of it is configured.
data "aws_canonical_user_id" "me" {}

# Buckets that are made elsewhere. Names with dots are put in front of hosts, even of addresses,
# unless this says that they are not.
provider "aws" {
  alias             = "frankfurt"
  region            = "eu-central-1"
  s3_use_path_style = true

  endpoints {
    s3  = "http://127.0.0.1:${var.api_port}"
    sts = "http://127.0.0.1:${var.api_port}"
  }
}

locals {
  word = var.changed ? "changed" : "first"
}

# A website that anybody reads.

resource "aws_s3_bucket" "site" {
  bucket        = "shop-site"
  force_destroy = true
  tags          = var.changed ? { team = "b", stage = "test" } : { team = "a", "gone soon" = "x=y" }
}

resource "aws_s3_bucket_public_access_block" "site" {
  bucket                  = aws_s3_bucket.site.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = false
  restrict_public_buckets = false
}

data "aws_iam_policy_document" "site" {
  statement {
    sid       = "Everybody"
    actions   = ["s3:GetObject", "s3:ListBucket"] # Who may list is told what is not there.
    resources = [aws_s3_bucket.site.arn, "${aws_s3_bucket.site.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "ButNotThis"
    effect    = "Deny"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.site.arn}/${var.changed ? "shut" : "hidden"}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalAccount"
      values   = ["123456789012"]
    }
  }
}

resource "aws_s3_bucket_policy" "site" {
  bucket     = aws_s3_bucket.site.id
  policy     = data.aws_iam_policy_document.site.json
  depends_on = [aws_s3_bucket_public_access_block.site]
}

resource "aws_s3_bucket_versioning" "site" {
  bucket = aws_s3_bucket.site.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_website_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  index_document {
    suffix = "index.html"
  }
  error_document {
    key = var.changed ? "sorry.html" : "error.html"
  }
  routing_rule {
    condition {
      key_prefix_equals = "old/"
    }
    redirect {
      replace_key_prefix_with = var.changed ? "newer/" : "new/"
      http_redirect_code      = "302"
      protocol                = "https"
      host_name               = "shop.test"
    }
  }
  routing_rule {
    condition {
      http_error_code_returned_equals = "404"
      key_prefix_equals               = "lost/"
    }
    redirect {
      replace_key_with = "found.html"
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  cors_rule {
    id              = "uploads"
    allowed_headers = ["*"]
    allowed_methods = var.changed ? ["GET", "PUT"] : ["GET", "PUT", "POST"]
    allowed_origins = ["https://shop.test", "https://*.shop.test"]
    expose_headers  = ["ETag", "x-amz-version-id"]
    max_age_seconds = var.changed ? 60 : 3000
  }
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["*"]
  }
}

# All that can be said of an object.
resource "aws_s3_object" "index" {
  bucket              = aws_s3_bucket_versioning.site.id
  key                 = "index.html"
  content             = "<h1>${local.word}</h1>\n"
  content_type        = "text/html; charset=utf-8"
  cache_control       = "max-age=${var.changed ? 60 : 30}"
  content_disposition = "inline"
  content_language    = "en"
  metadata            = { author = local.word, build-number = "7" }
  tags                = { word = local.word, "what for" = "tests/of+tags" }
}

# Only its tags change, which makes no new version.
resource "aws_s3_object" "tagged" {
  bucket         = aws_s3_bucket_versioning.site.id
  key            = "hidden/tagged.txt"
  content_base64 = base64encode("tagged\n")
  content_type   = "text/plain"
  acl            = "private"
  storage_class  = "STANDARD"
  tags           = { word = local.word }
}

resource "aws_s3_object" "source" {
  bucket             = aws_s3_bucket_versioning.site.id
  key                = "files/a b+c \u00fc&(1).tf"
  source             = "${path.module}/main.tf"
  etag               = filemd5("${path.module}/main.tf")
  checksum_algorithm = var.changed ? "CRC64NVME" : "SHA256"
}

resource "aws_s3_object" "large" {
  bucket      = aws_s3_bucket_versioning.site.id
  key         = "files/large"
  source      = var.large_file
  source_hash = filemd5(var.large_file)
}

resource "aws_s3_object" "redirect" {
  bucket           = aws_s3_bucket_versioning.site.id
  key              = "away"
  website_redirect = var.changed ? "/index.html" : "https://shop.test/away"
}

resource "aws_s3_object" "error" {
  for_each     = toset(["error.html", "sorry.html"])
  bucket       = aws_s3_bucket_versioning.site.id
  key          = each.key
  content      = "${each.key}\n"
  content_type = "text/html"
}

resource "aws_s3_object_copy" "copy" {
  count  = var.copied ? 1 : 0
  bucket = aws_s3_bucket_versioning.site.id
  key    = "copies/index.html"
  source = "${aws_s3_object.index.bucket}/${aws_s3_object.index.key}"

  # Its metadata is that of its source.
  tagging_directive = "REPLACE"
  tags              = { word = local.word }
}

# Its website behind an edge.

data "aws_cloudfront_cache_policy" "disabled" {
  name = "Managed-CachingDisabled"
}

resource "aws_cloudfront_distribution" "site" {
  enabled = true
  aliases = ["site.test"]

  origin {
    origin_id   = "website"
    domain_name = aws_s3_bucket_website_configuration.site.website_endpoint
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "http-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id       = "website"
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

# What new buckets have anyway can be said as well.

resource "aws_s3_bucket" "plain" {
  bucket_prefix = "plain-"
}

resource "aws_s3_bucket_ownership_controls" "plain" {
  bucket = aws_s3_bucket.plain.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_acl" "plain" {
  bucket     = aws_s3_bucket.plain.id
  acl        = "private"
  depends_on = [aws_s3_bucket_ownership_controls.plain]
}

resource "aws_s3_bucket_request_payment_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  payer  = "BucketOwner"
}

# Everything of it goes to another host.
resource "aws_s3_bucket_website_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  redirect_all_requests_to {
    host_name = var.changed ? "new.shop.test" : "shop.test"
    protocol  = "https"
  }
}

resource "aws_s3_bucket_versioning" "plain" {
  bucket = aws_s3_bucket.plain.id
  versioning_configuration {
    status = var.changed ? "Suspended" : "Enabled"
  }
}

# Dots, of which hosts are made, and another region.
resource "aws_s3_bucket" "far" {
  provider = aws.frankfurt
  bucket   = "www.shop.test"
}

resource "aws_s3_object" "far" {
  provider = aws.frankfurt
  bucket   = aws_s3_bucket.far.id
  key      = "far.json"
  content  = jsonencode({ word = local.word })
}

# Data sources. Where one has the name of a resource, it must say the same.

data "aws_s3_bucket" "site" {
  bucket = aws_s3_bucket.site.id
}

data "aws_s3_bucket" "far" {
  provider = aws.frankfurt
  bucket   = aws_s3_bucket.far.id
}

data "aws_s3_bucket_policy" "site" {
  bucket = aws_s3_bucket_policy.site.bucket
}

data "aws_s3_object" "index" {
  bucket = aws_s3_bucket.site.id
  key    = aws_s3_object.index.key
}

data "aws_s3_object" "source" {
  bucket        = aws_s3_bucket.site.id
  key           = aws_s3_object.source.key
  checksum_mode = "ENABLED"
}

data "aws_s3_objects" "files" {
  bucket    = aws_s3_bucket.site.id
  delimiter = "/"
  depends_on = [
    aws_s3_object.index, aws_s3_object.tagged, aws_s3_object.source, aws_s3_object.redirect,
    aws_s3_object.error, aws_s3_object_copy.copy,
  ]
}
