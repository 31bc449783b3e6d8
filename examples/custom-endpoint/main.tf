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
  default     = "rotation-custom-endpoint"
}

variable "endpoint_url" {
  description = "URL at which the function reaches Secrets Manager, for example of a VPC endpoint without private DNS."
  type        = string
  default     = "https://vpce-0123456789abcdef0-abcdefgh.secretsmanager.eu-west-1.vpce.amazonaws.com"
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name         = var.name
  secrets      = { token = aws_secretsmanager_secret.token.arn }
  endpoint_url = var.endpoint_url
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
