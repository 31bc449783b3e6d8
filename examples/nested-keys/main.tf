terraform {
  # 1.11 for the write-only argument secret_string_wo. The module itself needs 1.9.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # With the write-only argument and a random password that is in no state. The module itself needs 5.76.
      version = ">= 5.100"
    }
  }
}

provider "aws" {}

variable "name" {
  description = "Name of the secret and of the function that rotates it."
  type        = string
  default     = "rotation-nested-keys"
}

resource "aws_secretsmanager_secret" "app" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

ephemeral "aws_secretsmanager_random_password" "first" {
  password_length = 32
}

# The first value: rotation changes single values, so the whole document must be there before.
resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.app.id

  secret_string_wo = jsonencode({
    database = {
      host     = "database.example.com"
      port     = 5432
      username = "app"
      password = ephemeral.aws_secretsmanager_random_password.first.random_password
    }
    users = [
      { name = "reader", token = "to-be-rotated" },
      { name = "writer", token = "to-be-rotated" },
    ]
    "tls/session" = { key = "to-be-rotated" }
  })
  secret_string_wo_version = 1 # never raise it: that would make the first value current again

  # The label FIRST keeps this version. Secrets Manager deletes versions that have no label, and Terraform would then
  # create the version again, with the first value as the current one.
  version_stages = ["AWSCURRENT", "FIRST"]

  lifecycle {
    ignore_changes = [version_stages] # rotation moves AWSCURRENT
  }
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = aws_secretsmanager_secret_version.first.secret_id } # the ARN, once there is a value

  keys = ["/database/password", "/users/0/token", "/users/1/token", "/tls~1session/key"]

  generators = {
    "/users/0/token"    = { type = "hex", bytes = 20 }
    "/users/1/token"    = { type = "hex", bytes = 20 }
    "/tls~1session/key" = { type = "base64", bytes = 64 }
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
