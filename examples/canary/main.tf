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
  description = "First part of the names of secrets and functions."
  type        = string
  default     = "rotation-canary"
}

variable "others" {
  description = "Applications that follow once the canary rotates well."
  type        = set(string)
  default     = ["billing", "shipping"]
}

variable "rotate_others" {
  description = "Whether the others rotate. False at first, and for each change of the policy that you want to try."
  type        = bool
  default     = false
}

locals {
  # One policy for all, so that what the canary proves holds for the others.
  policy = {
    password = { length = 48, classes = ["lowercase", "uppercase", "numbers"] }
    days     = 30
  }
}

resource "aws_secretsmanager_secret" "canary" {
  name                    = "${var.name}/canary"
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

resource "aws_secretsmanager_secret" "others" {
  for_each = var.others

  name                    = "${var.name}/${each.key}"
  recovery_window_in_days = 0
}

module "canary" {
  source = "../.."

  name     = "${var.name}-canary"
  secrets  = { canary = aws_secretsmanager_secret.canary.arn }
  password = local.policy.password
  schedule = { days = local.policy.days }
}

module "rotation" {
  source = "../.."

  name     = "${var.name}-others"
  secrets  = var.rotate_others ? { for key, secret in aws_secretsmanager_secret.others : key => secret.arn } : {}
  password = local.policy.password
  schedule = { days = local.policy.days }
}

output "secret_arns" {
  description = "ARNs of the secrets, by name."
  value       = { canary = aws_secretsmanager_secret.canary.arn }
}

output "function_name" {
  description = "Name of the function that rotates them."
  value       = module.canary.function_name
}
