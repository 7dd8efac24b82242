# A private site: a bucket that only its distribution may read, and a part for members, who come
# with signed links. Nothing here knows of Warmfront: the endpoint and the key come from the
# environment.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

# Enough where the endpoint is an address and buckets' names have no dots, as here. Else add
# `s3_use_path_style = true`, or clients ask for buckets at `BUCKET.ENDPOINT`.
provider "aws" {
  region = "us-east-1"
}

variable "bucket" {
  default = "members-site"
}

variable "domain" {
  description = "Names below localhost reach this machine without any DNS."
  default     = "members.localhost"
}

variable "public_key_file" {
  description = "The public half (PEM) of the key that links are signed with."
  default     = "public.pem"
}

resource "aws_s3_bucket" "site" {
  bucket        = var.bucket
  force_destroy = true # Also with what others put into it.
}

resource "aws_s3_bucket_public_access_block" "site" {
  bucket                  = aws_s3_bucket.site.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "site" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.site.arn}/*"]
    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudfront_distribution.site.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "site" {
  bucket = aws_s3_bucket.site.id
  policy = data.aws_iam_policy_document.site.json
}

resource "aws_s3_object" "page" {
  for_each     = fileset("${path.module}/site", "**/*.html")
  bucket       = aws_s3_bucket.site.id
  key          = each.key
  source       = "${path.module}/site/${each.key}"
  etag         = filemd5("${path.module}/site/${each.key}") # What changes is put again.
  content_type = "text/html; charset=utf-8"
}

resource "aws_cloudfront_origin_access_control" "site" {
  name                              = var.bucket
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_public_key" "signer" {
  name        = "${var.bucket}-signer"
  encoded_key = file(var.public_key_file)
}

resource "aws_cloudfront_key_group" "signers" {
  name  = "${var.bucket}-signers"
  items = [aws_cloudfront_public_key.signer.id]
}

data "aws_cloudfront_cache_policy" "optimized" {
  name = "Managed-CachingOptimized"
}

resource "aws_cloudfront_distribution" "site" {
  enabled             = true
  comment             = var.bucket
  default_root_object = "index.html"
  aliases             = [var.domain]

  origin {
    origin_id                = "bucket"
    domain_name              = aws_s3_bucket.site.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.site.id
  }

  default_cache_behavior {
    target_origin_id       = "bucket"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.optimized.id
    compress               = true
  }

  ordered_cache_behavior {
    path_pattern           = "/members/*"
    target_origin_id       = "bucket"
    viewer_protocol_policy = "allow-all"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = data.aws_cloudfront_cache_policy.optimized.id
    compress               = true
    trusted_key_groups     = [aws_cloudfront_key_group.signers.id]
  }

  restrictions {
    geo_restriction { restriction_type = "none" }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

output "id" { value = aws_cloudfront_distribution.site.id }
output "bucket" { value = aws_s3_bucket.site.id }
output "key_pair_id" { value = aws_cloudfront_public_key.signer.id }
