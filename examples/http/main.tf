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
  default     = "rotation-http"
}

variable "secret" {
  description = "Name of the secret: a JSON object with username and password of a RabbitMQ user."
  type        = string
  default     = "app/rabbitmq"
}

variable "admin_secret" {
  description = "Name of the secret of a RabbitMQ administrator: a JSON object with username and password."
  type        = string
  default     = "admin/rabbitmq"
}

variable "url" {
  description = "URL of RabbitMQ's management API."
  type        = string
  default     = "https://rabbitmq.example.com:15671"
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

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  target = {
    type = "http"
    settings = merge(
      {
        # PUT as the administrator. RabbitMQ replaces the whole user, so its tags are said again.
        set_url          = "${var.url}/api/users/{{pending.username}}"
        set_body         = jsonencode({ password = "{{pending.password}}", tags = "management" })
        set_auth         = "basic"
        admin_secret_arn = data.aws_secretsmanager_secret.admin.arn

        # The users that the administrator may change, of those that the secret may name.
        allowed_usernames = "app*"

        # GET as the user, with the new password.
        test_url  = "${var.url}/api/whoami"
        test_auth = "basic"
      },
      var.tls_ca == null ? {} : { tls_ca = var.tls_ca },
    )
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
