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

# The region of the replica. The default provider is the region of the primary.
provider "aws" {
  alias  = "replica"
  region = var.replica_region
}

variable "name" {
  description = "Name of the secret and, with -primary or -replica, of the functions."
  type        = string
  default     = "rotation-two-regions"
}

variable "replica_region" {
  description = "Region of the replica."
  type        = string
  default     = "eu-central-1"
}

variable "promoted_arn" {
  description = "After a failover: the ARN of the promoted replica. Null: the primary rotates."
  type        = string
  default     = null
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once

  replica {
    region = var.replica_region
  }
}

# A secret rotates where its primary is. Secrets Manager copies each new value to the replica.
module "rotation" {
  source = "../.."

  name    = "${var.name}-primary"
  secrets = var.promoted_arn == null ? { token = aws_secretsmanager_secret.token.arn } : {}
}

# The function of the other region, ready and without a secret. Roles are global, so it has a name of its own.
module "standby" {
  source    = "../.."
  providers = { aws = aws.replica }

  name    = "${var.name}-replica"
  secrets = var.promoted_arn == null ? {} : { token = var.promoted_arn }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
