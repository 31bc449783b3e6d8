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
  description = "Name of the secret, of the function that rotates it, and of the state machine."
  type        = string
  default     = "rotation-on-success"
}

variable "cluster" {
  description = "Name of the ECS cluster."
  type        = string
  default     = "cluster"
}

variable "service" {
  description = "Name of the ECS service whose tasks read the secret when they start."
  type        = string
  default     = "service"
}

data "aws_caller_identity" "current" {}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# Starts new tasks, which read the new value, and ends the old ones. No function is needed for that.
resource "aws_sfn_state_machine" "redeploy" {
  #checkov:skip=CKV_AWS_284:One call of ECS needs no traces.
  #checkov:skip=CKV_AWS_285:One call of ECS needs no history; its failures are in the metrics.
  name     = var.name
  role_arn = aws_iam_role.redeploy.arn
  definition = jsonencode({
    StartAt = "Redeploy"
    States = {
      Redeploy = {
        Type       = "Task"
        Resource   = "arn:aws:states:::aws-sdk:ecs:updateService"
        Parameters = { Cluster = var.cluster, Service = var.service, ForceNewDeployment = true }
        Retry      = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 10, MaxAttempts = 3, BackoffRate = 2 }]
        End        = true
      }
    }
  })
}

resource "aws_iam_role" "redeploy" {
  name               = "${var.name}-redeploy"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "states.amazonaws.com" } }] })
}

resource "aws_iam_role_policy" "redeploy" {
  role = aws_iam_role.redeploy.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "ecs:UpdateService"
      Resource = "arn:aws:ecs:*:${data.aws_caller_identity.current.account_id}:service/${var.cluster}/${var.service}"
    }]
  })
}

# EventBridge starts the state machine with this role.
resource "aws_iam_role" "events" {
  name               = "${var.name}-events"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "events.amazonaws.com" } }] })
}

resource "aws_iam_role_policy" "events" {
  role = aws_iam_role.events.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "states:StartExecution", Resource = aws_sfn_state_machine.redeploy.arn }]
  })
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  on_success = {
    redeploy = {
      arn            = aws_sfn_state_machine.redeploy.arn
      role_arn       = aws_iam_role.events.arn
      input_paths    = { secret = "$.resources[0]" }
      input_template = "{\"secret\": <secret>}"
    }
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

output "state_machine_arn" {
  description = "ARN of the state machine that redeploys the service."
  value       = aws_sfn_state_machine.redeploy.arn
}
