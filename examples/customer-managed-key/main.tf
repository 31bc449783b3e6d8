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
  description = "Name of the secret, of its key, and of the function that rotates it."
  type        = string
  default     = "rotation-customer-managed-key"
}

resource "aws_kms_key" "secret" {
  #checkov:skip=CKV2_AWS_64:The default key policy leaves the key to IAM, and the module grants the function what it needs.
  description             = "Encrypts the secret ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  kms_key_id              = aws_kms_key.secret.arn
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name         = var.name
  secrets      = { token = aws_secretsmanager_secret.token.arn }
  kms_key_arns = [aws_kms_key.secret.arn]
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
