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
  default     = "rotation-python"
}

variable "secret" {
  description = "Name of the secret: a JSON object with username and password."
  type        = string
  default     = "app/door"
}

variable "url" {
  description = "URL of the service that has to accept the password."
  type        = string
  default     = "https://door.example.com"
}

data "aws_secretsmanager_secret" "app" {
  name = var.secret
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { app = data.aws_secretsmanager_secret.app.arn }
  keys    = ["password"]

  target = {
    type     = "python"
    file     = "${path.module}/my_target.py"
    settings = { url = var.url } # whatever the file asks for
  }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = data.aws_secretsmanager_secret.app.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
