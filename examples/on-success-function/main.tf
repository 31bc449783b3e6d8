terraform {
  required_version = ">= 1.9"

  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.76"
    }
  }
}

provider "aws" {}

variable "name" {
  description = "Name of the secret, of the function that rotates it, and beginning of that of the function that restarts."
  type        = string
  default     = "rotation-on-success-function"
}

variable "restart_url" {
  description = "Deployment hook of the consumer: a POST to it restarts what reads the secret."
  type        = string
  default     = "https://deploy.example.com/hooks/restart"
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

data "archive_file" "restart" {
  type             = "zip"
  source_file      = "${path.module}/restart.py"
  output_path      = "${path.root}/.terraform/${var.name}-restart.zip"
  output_file_mode = "0644"
}

resource "aws_cloudwatch_log_group" "restart" {
  #checkov:skip=CKV_AWS_158:Its lines hold an ARN and a status.
  #checkov:skip=CKV_AWS_338:A month is enough to find out why a consumer was not restarted.
  name              = "/aws/lambda/${var.name}-restart"
  retention_in_days = 30
}

resource "aws_iam_role" "restart" {
  name               = "${var.name}-restart"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }] })
}

resource "aws_iam_role_policy" "restart" {
  role = aws_iam_role.restart.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.restart.arn}:*" }]
  })
}

# It needs no permission on the secret: what it restarts reads the value.
resource "aws_lambda_function" "restart" {
  #checkov:skip=CKV_AWS_50:One request needs no traces.
  #checkov:skip=CKV_AWS_115:It runs once for each new value.
  #checkov:skip=CKV_AWS_116:EventBridge has a queue for what it could not deliver.
  #checkov:skip=CKV_AWS_117:The hook is on the internet.
  #checkov:skip=CKV_AWS_173:The address of the hook is no secret.
  #checkov:skip=CKV_AWS_272:Signed code is the caller's choice.
  function_name    = "${var.name}-restart"
  role             = aws_iam_role.restart.arn
  runtime          = "python3.13"
  handler          = "restart.lambda_handler"
  filename         = data.archive_file.restart.output_path
  source_code_hash = data.archive_file.restart.output_base64sha256
  timeout          = 30

  environment {
    variables = { RESTART_URL = var.restart_url }
  }

  depends_on = [aws_cloudwatch_log_group.restart, aws_iam_role_policy.restart]
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  on_success = {
    restart = {
      arn            = aws_lambda_function.restart.arn
      function_name  = aws_lambda_function.restart.function_name # EventBridge may then invoke it
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
