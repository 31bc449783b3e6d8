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
  description = "Name of the secret and of the function that rotates it."
  type        = string
  default     = "rotation-key-pair"
}

# KMS makes the pairs. The key itself is not part of them; it encrypts the copy that KMS returns too, which is not used.
resource "aws_kms_key" "pairs" {
  #checkov:skip=CKV2_AWS_64:The default key policy leaves the key to IAM, and the module grants the function what it needs.
  description             = "Makes the key pairs of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

resource "aws_secretsmanager_secret" "signing" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# All keys of the secret have to be there. The values that rotate are placeholders until the first rotation.
resource "aws_secretsmanager_secret_version" "first" {
  secret_id = aws_secretsmanager_secret.signing.id

  secret_string_wo = jsonencode({
    issuer        = "https://issuer.example.com"
    key_id        = "to-be-rotated"
    private_key   = "to-be-rotated"
    public_key    = "to-be-rotated"
    client_key    = "to-be-rotated"
    client_public = "to-be-rotated"
    cookie_key    = "to-be-rotated"
    webhook_token = "to-be-rotated"
    password      = "to-be-rotated"
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
  secrets = { signing = aws_secretsmanager_secret_version.first.secret_id } # the ARN, once there is a value

  # Without the public keys: those come with the private ones.
  keys = ["key_id", "private_key", "client_key", "cookie_key", "webhook_token", "password"]

  generators = {
    key_id        = { type = "uuid" }
    private_key   = { type = "rsa", bits = 3072, kms_key_arn = aws_kms_key.pairs.arn, public_key = "public_key" }
    client_key    = { type = "ec", curve = "P-256", kms_key_arn = aws_kms_key.pairs.arn, public_key = "client_public" }
    cookie_key    = { type = "base64", bytes = 64 }
    webhook_token = { type = "hex", bytes = 20 }
  }
  # password has no generator: it is made by Secrets Manager, as `password` and `exclude_characters` say.
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.signing.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
