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
  description = "Name of the secret and of the function that rotates it."
  type        = string
  default     = "rotation-plaintext"
}

# No aws_secretsmanager_secret_version: the first rotation gives the secret its first value, and Terraform never sees one.
resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  password = { length = 40, classes = ["lowercase", "uppercase", "numbers"] }
  schedule = { days = 30 }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
