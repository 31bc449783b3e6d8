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
  description = "Name of the function that rotates the secret."
  type        = string
  default     = "rotation-calls-aws"
}

variable "secret" {
  description = "Name of the secret: a JSON object with host, port, username and password of a user of ElastiCache."
  type        = string
  default     = "app/cache"
}

variable "user_id" {
  description = "Id of that user at ElastiCache, which may differ from the name with which it logs in."
  type        = string
  default     = "app"
}

variable "subnet_ids" {
  description = "Subnets from which the cache and the endpoints of ElastiCache and Secrets Manager are reached."
  type        = list(string)
  default     = ["subnet-0123456789abcdef0"]
}

variable "security_group_ids" {
  description = "Security groups of the function; the cache's own must let them in."
  type        = list(string)
  default     = ["sg-0123456789abcdef0"]
}

variable "tls_ca" {
  description = "Certificate in PEM of the authority that signed the cache's, where the system does not know it."
  type        = string
  default     = null
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

# The user is in the account and the region of the secret.
data "aws_arn" "secret" {
  arn = data.aws_secretsmanager_secret.app.arn
}

locals {
  account = "${data.aws_arn.secret.region}:${data.aws_arn.secret.account}"
  user    = "arn:${data.aws_arn.secret.partition}:elasticache:${local.account}:user:${var.user_id}"
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  target = {
    type          = "calls"
    resource_arns = [local.user]
    calls = {
      set = [
        # Both passwords are valid: consumers that have the current one are not refused.
        { action = "elasticache:ModifyUser", parameters = { UserId = var.user_id, Passwords = ["{{pending.password}}", "{{current.password}}"] } },

        # ElastiCache applies the change in the background. This asks again until it has.
        { action = "elasticache:DescribeUsers", parameters = { UserId = var.user_id }, match = { "/Users/0/Status" = "active" }, retry = 300 },
      ]

      # Logs in to the cache that the secret names, as the target redis does.
      test = { target = "redis", settings = var.tls_ca == null ? {} : { tls_ca = var.tls_ca } }
    }
  }

  # More than the 300 seconds of retry.
  function = { timeout = 600 }
  network  = { subnet_ids = var.subnet_ids, security_group_ids = var.security_group_ids }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
