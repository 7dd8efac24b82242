# Functions, key value stores, and the values in them.

resource "aws_cloudfront_key_value_store" "redirects" {
  name    = "redirects"
  comment = var.changed ? "changed" : "first"
}

resource "aws_cloudfront_key_value_store" "flags" {
  name = "flags"
}

resource "aws_cloudfrontkeyvaluestore_key" "old" {
  key_value_store_arn = aws_cloudfront_key_value_store.redirects.arn
  key                 = "/old page?"
  value               = var.changed ? "/newer" : "/new"
}

resource "aws_cloudfrontkeyvaluestore_key" "older" {
  key_value_store_arn = aws_cloudfront_key_value_store.redirects.arn
  key                 = "/größer"
  value               = "{\"to\": \"/ä\"}"
}

resource "aws_cloudfrontkeyvaluestore_keys_exclusive" "flags" {
  key_value_store_arn = aws_cloudfront_key_value_store.flags.arn

  # Keys come and go. A new value would delete its key, on AWS too: the provider, up to 5.100,
  # has such a key in both the Puts and the Deletes of one request.
  dynamic "resource_key_value_pair" {
    for_each = var.changed ? { a = "1", c = "3", d = "4" } : { a = "1", b = "2" }
    content {
      key   = resource_key_value_pair.key
      value = resource_key_value_pair.value
    }
  }
}

resource "aws_cloudfront_function" "published" {
  name                         = "redirect"
  comment                      = var.changed ? "changed" : "first"
  runtime                      = "cloudfront-js-2.0"
  key_value_store_associations = [aws_cloudfront_key_value_store.redirects.arn]
  code                         = <<-JS
    async function handler(event) {
      // ${var.changed ? "changed" : "first"}: "quotes" & <brackets> ü
      return event.request;
    }
  JS
}

resource "aws_cloudfront_function" "draft" {
  name    = "draft"
  runtime = var.changed ? "cloudfront-js-2.0" : "cloudfront-js-1.0"
  publish = false
  code    = "function handler(event) { return event.request; }"
}

data "aws_cloudfront_function" "published" {
  name  = aws_cloudfront_function.published.name
  stage = "LIVE"
}

data "aws_cloudfront_function" "draft" {
  name  = aws_cloudfront_function.draft.name
  stage = "DEVELOPMENT"
}
