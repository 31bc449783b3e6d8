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
  description = "Name of the function that rotates the secret, and of the probe."
  type        = string
  default     = "rotation-rds-data"
}

variable "secret" {
  description = "Name of the secret: a JSON object with username and password."
  type        = string
  default     = "app/aurora"
}

variable "admin_secret" {
  description = "Name of the secret of an administrator of the cluster: a JSON object with username and password."
  type        = string
  default     = "admin/aurora"
}

variable "cluster_arn" {
  description = "ARN of the Aurora cluster. Its Data API is enabled (enable_http_endpoint = true)."
  type        = string
  default     = "arn:aws:rds:us-east-1:123456789012:cluster:app"
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

data "aws_secretsmanager_secret" "admin" {
  name = var.admin_secret
}

# By this secret the function logs in with the new password before it becomes the current one. It has no value until the
# first rotation, and afterwards the same value as the application's secret: protect it in the same way.
resource "aws_secretsmanager_secret" "probe" {
  name                    = "${var.name}-probe"
  description             = "Used by the function ${var.name} only, which overwrites it"
  recovery_window_in_days = 0 # it holds nothing that has to be kept
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  target = {
    type = "rds_data"
    settings = {
      cluster_arn       = var.cluster_arn
      engine            = "postgresql"
      admin_secret_arn  = data.aws_secretsmanager_secret.admin.arn
      allowed_usernames = "app*" # the users that the administrator may change
      probe_secret_arn  = aws_secretsmanager_secret.probe.arn
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
