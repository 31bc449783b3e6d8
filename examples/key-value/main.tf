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
  default     = "rotation-key-value"
}

resource "aws_secretsmanager_secret" "database" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

ephemeral "aws_secretsmanager_random_password" "first" {
  password_length = 32
}

# The first value: rotation changes single keys, so the others must be there before.
resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.database.id

  secret_string_wo = jsonencode({
    host     = "database.example.com"
    port     = 5432
    username = "app"
    password = ephemeral.aws_secretsmanager_random_password.first.random_password
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
  secrets = { database = aws_secretsmanager_secret_version.first.secret_id } # the ARN, once there is a value
  keys    = ["password"]

  schedule = { expression = "cron(0 3 1 * ? *)", duration = "3h" }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.database.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
