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
  default     = "rotation-freeze"
}

variable "frozen" {
  description = "Whether rotation is off, for a release or an incident. The value stays."
  type        = bool
  default     = false
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  enable_rotation    = !var.frozen
  rotate_immediately = false                                                       # so that the end of a freeze does not rotate: the schedule goes on
  schedule           = { expression = "cron(0 3 ? * MON-THU *)", duration = "3h" } # never before a weekend
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
