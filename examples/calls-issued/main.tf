terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.76"
    }
  }
}

provider "aws" {}

variable "name" {
  description = "Name of the function that rotates the secret."
  type        = string
  default     = "rotation-calls-issued"
}

variable "secret" {
  description = "Name of the secret: a JSON object with value and id, the key of the service that works now."
  type        = string
  default     = "app/key"
}

variable "admin_secret" {
  description = "Name of the secret of an administrator who may list, issue and delete keys: JSON with its token as password."
  type        = string
  default     = "admin/key"
}

variable "url" {
  description = "URL of the service's API."
  type        = string
  default     = "https://api.example.com"
}

variable "tls_ca" {
  description = "Certificate in PEM of the authority that signed the server's, where the system does not know it."
  type        = string
  default     = null
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

data "aws_secretsmanager_secret" "admin" {
  name = var.admin_secret
}

locals {
  account = "${var.url}/app"
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["value", "id"]

  target = {
    type = "calls"
    settings = merge(
      { admin_secret_arn = data.aws_secretsmanager_secret.admin.arn },
      var.tls_ca == null ? {} : { tls_ca = var.tls_ca },
    )
    calls = {
      # The service names a key as it is told. Of the keys in the list, those are this secret's whose name begins with {{mark}}.
      list  = { url = "${local.account}/keys", auth = "bearer", items = "/keys", name = "/name", created = "/created", values = { id = "/id" } }
      issue = { url = "${local.account}/keys", auth = "bearer", body = { name = "{{rotation}}" }, values = { value = "/key/value", id = "/key/id" } }

      # With the key itself: in a test, auth never means the administrator.
      test = { url = local.account, auth = "bearer" }

      # The key before the current one, at the next rotation. It may be gone already.
      revoke = { method = "DELETE", url = "${local.account}/keys/{{retired.id}}", auth = "bearer", status = "204,404" }
    }
  }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
