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
  description = "Name of the function that takes the rotation over."
  type        = string
  default     = "rotation-imported"
}

variable "secret" {
  description = "Name of a secret that another function rotates."
  type        = string
  default     = "app/rotated"
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

# Terraform adopts the rotation that is there, and points it to the new function.
import {
  to = module.rotation.aws_secretsmanager_secret_rotation.this["app"]
  id = data.aws_secretsmanager_secret.app.arn
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }

  rotate_immediately = false
  schedule           = { days = 30 }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
