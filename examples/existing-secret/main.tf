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
  default     = "rotation-existing-secret"
}

variable "secret" {
  description = "Name of a secret that exists: a JSON object with the key password."
  type        = string
  default     = "app/existing"
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  # The credential is in use: the apply changes nothing, the first rotation is yours to start.
  rotate_immediately = false
  schedule           = { expression = "cron(0 3 1 * ? *)", duration = "3h" }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
