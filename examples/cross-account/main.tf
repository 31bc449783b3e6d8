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

# The account of the consumer. The default provider is the account of the secret.
provider "aws" {
  alias = "consumer"

  assume_role {
    role_arn = "arn:aws:iam::${var.consumer_account_id}:role/${var.deployment_role}"
  }
}

variable "name" {
  description = "Name of the secret and of the function that rotates it."
  type        = string
  default     = "rotation-cross-account"
}

variable "consumer_account_id" {
  description = "Account that reads the secret."
  type        = string
  default     = "111122223333"
}

variable "deployment_role" {
  description = "Role in that account, with which Terraform gives the consumer its permissions."
  type        = string
  default     = "deployment"
}

variable "consumer_role" {
  description = "Role of the application that reads the secret, in that account."
  type        = string
  default     = "application"
}

locals {
  consumer_arn = "arn:aws:iam::${var.consumer_account_id}:role/${var.consumer_role}"
}

data "aws_caller_identity" "current" {}

# Another account cannot use the key aws/secretsmanager, so the secret needs a key of its own.
resource "aws_kms_key" "secret" {
  description             = "Encrypts the secret ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:A key policy names the key itself by "*"; the first statement is the default of every key.
  #checkov:skip=CKV_AWS_111:A key policy names the key itself by "*".
  #checkov:skip=CKV_AWS_356:A key policy names the key itself by "*".
  statement {
    sid       = "ThisAccount"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    sid       = "Consumer"
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.consumer_arn]
    }

    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:SecretARN"
      values   = ["arn:aws:secretsmanager:*:${data.aws_caller_identity.current.account_id}:secret:${var.name}-??????"]
    }
  }
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  kms_key_id              = aws_kms_key.secret.arn
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

resource "aws_secretsmanager_secret_policy" "token" {
  secret_arn          = aws_secretsmanager_secret.token.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Consumer"
      Effect    = "Allow"
      Principal = { AWS = local.consumer_arn }
      Action    = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
      Resource  = "*" # the secret that has this policy
    }]
  })
}

# The secret's policy is one half. The consumer's own account must allow the same.
resource "aws_iam_role_policy" "consumer" {
  provider = aws.consumer

  name = "read-${var.name}"
  role = var.consumer_role
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = aws_secretsmanager_secret.token.arn
      },
      {
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.secret.arn
      },
    ]
  })
}

# The function runs in the account of the secret: Secrets Manager calls no function of another account's module.
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
