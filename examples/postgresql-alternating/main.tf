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
  default     = "rotation-postgresql-alternating"
}

variable "secret" {
  description = "Name of the secret: a JSON object with host, port, username and password of the first of two PostgreSQL roles."
  type        = string
  default     = "app/postgresql-alternating"
}

variable "admin_secret" {
  description = "Name of the secret of a role that may create roles: a JSON object with host, username and password."
  type        = string
  default     = "admin/postgresql"
}

variable "subnet_ids" {
  description = "Subnets from which the server is reached."
  type        = list(string)
  default     = ["subnet-0123456789abcdef0"]
}

variable "security_group_ids" {
  description = "Security groups of the function; the server's own must let them in."
  type        = list(string)
  default     = ["sg-0123456789abcdef0"]
}

variable "tls_ca" {
  description = "Certificate in PEM of the authority that signed the server's, where the system does not know it."
  type        = string
  default     = null
}

variable "drivers" {
  description = "Zip with the database drivers, which the module's tools/dev/layer.py builds."
  type        = string
  default     = "drivers.zip"
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

data "aws_secretsmanager_secret" "admin" {
  name = var.admin_secret
}

# Pure Python, for every runtime and architecture. The example database-layer has Terraform build it.
resource "aws_lambda_layer_version" "drivers" {
  layer_name = "${var.name}-drivers"
  filename   = var.drivers
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  target = {
    type = "postgresql"
    settings = merge(
      {
        strategy          = "alternating"
        admin_secret_arn  = data.aws_secretsmanager_secret.admin.arn
        allowed_usernames = "app*" # the users that the administrator may change; their clones follow
      },
      var.tls_ca == null ? {} : { tls_ca = var.tls_ca },
    )
  }

  function = { layers = [aws_lambda_layer_version.drivers.arn] }
  network  = { subnet_ids = var.subnet_ids, security_group_ids = var.security_group_ids }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
