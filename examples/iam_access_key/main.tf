terraform {
  # 1.11 for the write-only argument secret_string_wo. The module itself needs 1.9.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100" # with the write-only argument. The module itself needs 5.76.
    }
  }
}

provider "aws" {}

variable "name" {
  description = "Name of the user, of the secret with its access key, and of the function that rotates it."
  type        = string
  default     = "rotation-iam-access-key"
}

resource "aws_iam_user" "app" {
  #checkov:skip=CKV_AWS_273:The example is about the access key of such a user. Where a role will do, take the role.
  name          = var.name
  force_destroy = true # its keys are not Terraform's
}

resource "aws_secretsmanager_secret" "app" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# The keys of the secret, without an access key: the first rotation issues one, so that none is ever in Terraform's hands.
resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.app.id

  secret_string_wo = jsonencode({
    access_key_id     = "to-be-rotated"
    secret_access_key = "to-be-rotated"
  })
  secret_string_wo_version = 1 # never raise it: that would make the first value current again

  # The label FIRST keeps this version, which Terraform would otherwise create again, as the current one, once Secrets
  # Manager has deleted it.
  version_stages = ["AWSCURRENT", "FIRST"]

  lifecycle {
    ignore_changes = [version_stages] # rotation moves AWSCURRENT
  }
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = aws_secretsmanager_secret_version.first.secret_id } # the ARN, once there is a value
  keys    = ["access_key_id", "secret_access_key"]

  target = {
    type     = "iam_access_key"
    settings = { user_arn = aws_iam_user.app.arn }
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
