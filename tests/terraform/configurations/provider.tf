# What every configuration begins with: AWS's provider as it is, with other endpoints.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

# Where the API listens.
variable "api_port" {
  type = number
}

# The change in place: a second apply, with true, changes what it can of every resource.
variable "changed" {
  type    = bool
  default = false
}

provider "aws" {
  region = "us-east-1"

  endpoints {
    acm        = "http://127.0.0.1:${var.api_port}"
    cloudfront = "http://127.0.0.1:${var.api_port}"
    # The SDK puts the account's id in front of the host.
    cloudfrontkeyvaluestore = "http://localhost:${var.api_port}"
    iam                     = "http://127.0.0.1:${var.api_port}"
    route53                 = "http://127.0.0.1:${var.api_port}"
    s3                      = "http://127.0.0.1:${var.api_port}"
    sts                     = "http://127.0.0.1:${var.api_port}"
  }
}
