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
  description = "Name of the function."
  type        = string
  default     = "rotation-fleet"
}

variable "prefix" {
  description = "Beginning of the names of the secrets that rotate. They are made elsewhere, by any state or by none."
  type        = string
  default     = "fleet/"
}

# Read at plan: a secret that is new since then rotates after the next apply.
data "aws_secretsmanager_secrets" "fleet" {
  filter {
    name   = "name"
    values = [var.prefix]
  }
  # Or by a tag, with two filters, each on its own:
  #   filter { name = "tag-key"   values = ["rotate"] }
  #   filter { name = "tag-value" values = ["monthly"] }
}

locals {
  # The ARNs and the names are two sets, so the name is cut out of the ARN.
  found = { for arn in data.aws_secretsmanager_secrets.fleet.arns : replace(split(":", arn)[6], "/-[^-]{6}$/", "") => arn }
}

module "rotation" {
  source = "../.."

  name = var.name
  # The filter of AWS finds a word within a name too.
  secrets = { for name, arn in local.found : name => arn if startswith(name, var.prefix) }

  # One of these hours for each secret, from Monday to Thursday: not all at once, and not on a Friday.
  schedule = {
    expression   = "cron(0 {hour} ? * MON-THU *)"
    spread_hours = [1, 2, 3, 4]
    duration     = "2h"
  }
  rotate_immediately = false
}

output "secret_arns" {
  description = "ARNs of the secrets that rotate, by name."
  value       = module.rotation.rotation_ids
}

output "function_name" {
  description = "Name of the function that rotates them."
  value       = module.rotation.function_name
}
