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
  description = "Name of the secret, of the function that rotates it, and of the topic."
  type        = string
  default     = "rotation-alarms"
}

variable "email" {
  description = "Address that gets the alarms, once its owner has confirmed it. Null: subscribe to the topic yourself."
  type        = string
  default     = null
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# Not encrypted by alias/aws/sns: CloudWatch cannot use that key, and its alarms would get lost.
resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:An alarm says which function failed and holds no value; a customer managed key is yours to add.
  name = var.name
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.email[*])

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  alarms = {
    alarm_actions = [aws_sns_topic.alarms.arn]
    ok_actions    = [aws_sns_topic.alarms.arn]
  }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}

output "topic_arn" {
  description = "ARN of the topic that the alarms notify."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_arns" {
  description = "ARNs of the alarms."
  value       = module.rotation.alarm_arns
}
