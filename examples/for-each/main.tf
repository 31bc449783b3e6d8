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
  default     = "rotation-for-each"
}

variable "applications" {
  description = "Applications, each with the days between two rotations and the length of its token."
  type = map(object({
    days   = optional(number, 30)
    length = optional(number, 40)
  }))
  default = {
    billing  = { days = 7 }
    shipping = { length = 64 }
  }
}

resource "aws_secretsmanager_secret" "token" {
  for_each = var.applications

  name                    = "${var.name}/${each.key}"
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# A call is a policy: applications whose tokens differ get a function each. Those with the same policy share one call.
module "rotation" {
  source   = "../.."
  for_each = var.applications

  name     = "${var.name}-${each.key}"
  secrets  = { token = aws_secretsmanager_secret.token[each.key].arn }
  password = { length = each.value.length, classes = ["lowercase", "uppercase", "numbers"] }
  schedule = { days = each.value.days }
}

output "secret_arns" {
  description = "ARNs of the secrets, by name."
  value       = { for key, secret in aws_secretsmanager_secret.token : key => secret.arn }
}

output "function_name" {
  description = "Name of the function that rotates them."
  value       = module.rotation["billing"].function_name
}
