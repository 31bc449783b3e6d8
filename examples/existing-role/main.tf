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
  default     = "rotation-existing-role"
}

variable "role" {
  description = "Name of the role that another team made for the function."
  type        = string
  default     = "secret-rotation"
}

data "aws_iam_role" "function" {
  name = var.role
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }
  role    = { arn = data.aws_iam_role.function.arn }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}

output "role_policy" {
  description = "Policy that the role needs, for the team that owns it."
  value       = module.rotation.role_policy
}
