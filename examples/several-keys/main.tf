terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

provider "aws" {}

variable "name" {
  description = "Name of the secret and of the function that rotates it."
  type        = string
  default     = "rotation-several-keys"
}

resource "aws_secretsmanager_secret" "app" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# The first value: all keys have to be there. The values that rotate are placeholders until the first rotation.
resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.app.id

  secret_string_wo = jsonencode({
    issuer      = "https://app.example.com"
    password    = "to-be-rotated"
    signing_key = "to-be-rotated"
    api_token   = "to-be-rotated"
  })
  secret_string_wo_version = 1 # never raise it: that would make the first value current again

  # The label FIRST keeps this version: examples/key-value says why.
  version_stages = ["AWSCURRENT", "FIRST"]

  lifecycle {
    ignore_changes = [version_stages] # rotation moves AWSCURRENT
  }
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = aws_secretsmanager_secret_version.first.secret_id } # the ARN, once there is a value
  keys    = ["password", "signing_key", "api_token"]

  # A key without a generator gets a password.
  generators = {
    signing_key = { type = "base64", bytes = 32 }
    api_token   = { type = "hex", bytes = 20 }
  }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
