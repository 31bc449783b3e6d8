# What a user of rotation writes without this module, with all that the sandbox has to answer for it.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {}

variable "package" {
  type = string
}

variable "schedule_expression" {
  type    = string
  default = "cron(0 8 1 * ? *)"
}

resource "aws_secretsmanager_secret" "app" {
  for_each                = toset(["days", "expression"])
  name                    = "terraform/${each.key}"
  recovery_window_in_days = 0
  tags                    = { team = "R&D" }
  replica {
    region = "eu-central-1"
  }
}

resource "aws_secretsmanager_secret_policy" "app" {
  secret_arn          = aws_secretsmanager_secret.app["days"].arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{ Effect = "Deny", Principal = "*", Action = "secretsmanager:DeleteSecret", Resource = "*",
    Condition = { StringEquals = { "aws:PrincipalTag/team" = "nobody" } } }]
  })
}

resource "aws_secretsmanager_secret_version" "app" {
  for_each      = aws_secretsmanager_secret.app
  secret_id     = each.value.id
  secret_string = "initial"
  lifecycle {
    ignore_changes = [secret_string, version_stages]
  }
}

resource "aws_iam_role" "function" {
  name = "terraform-function"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "function" {
  role = aws_iam_role.function.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "secretsmanager:*", Resource = "*" },
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.function.arn}:*" },
      { Effect = "Allow", Action = ["ec2:*NetworkInterface*", "ec2:DescribeSubnets"], Resource = "*" },
    ]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/terraform-function"
  retention_in_days = 30
}

resource "aws_vpc" "main" {
  cidr_block = "10.1.0.0/16"
}

resource "aws_subnet" "main" {
  vpc_id     = aws_vpc.main.id
  cidr_block = "10.1.1.0/24"
}

resource "aws_security_group" "function" {
  name   = "terraform-function"
  vpc_id = aws_vpc.main.id
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lambda_layer_version" "drivers" {
  layer_name          = "terraform-drivers"
  filename            = var.package
  compatible_runtimes = ["python3.11"]
}

resource "aws_lambda_function" "rotation" {
  function_name                  = "terraform-function"
  role                           = aws_iam_role.function.arn
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  handler                        = "lambda_function.lambda_handler"
  runtime                        = "python3.11"
  architectures                  = ["arm64"]
  timeout                        = 30
  reserved_concurrent_executions = 10
  layers                         = [aws_lambda_layer_version.drivers.arn]
  tags                           = { team = "a" }
  environment {
    variables = { KEY = "" }
  }
  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.function.name
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }
  tracing_config {
    mode = "Active"
  }
  vpc_config {
    subnet_ids         = [aws_subnet.main.id]
    security_group_ids = [aws_security_group.function.id]
  }
  depends_on = [aws_iam_role_policy.function]
}

resource "aws_lambda_permission" "secrets_manager" {
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.rotation.function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = "123456789012"
}

resource "aws_secretsmanager_secret_rotation" "days" {
  secret_id           = aws_secretsmanager_secret.app["days"].id
  rotation_lambda_arn = aws_lambda_function.rotation.arn
  rotation_rules {
    automatically_after_days = 30
    duration                 = "3h"
  }
  depends_on = [aws_lambda_permission.secrets_manager, aws_secretsmanager_secret_version.app]
}

resource "aws_secretsmanager_secret_rotation" "expression" {
  secret_id           = aws_secretsmanager_secret.app["expression"].id
  rotation_lambda_arn = aws_lambda_function.rotation.arn
  rotate_immediately  = false
  rotation_rules {
    schedule_expression = var.schedule_expression
    duration            = "3h"
  }
  depends_on = [aws_lambda_permission.secrets_manager, aws_secretsmanager_secret_version.app]
}

resource "aws_sns_topic" "alerts" {
  name = "terraform-alerts"
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "terraform-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.rotation.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}

resource "aws_cloudwatch_event_rule" "failed" {
  name          = "terraform-failed"
  event_pattern = jsonencode({ source = ["aws.secretsmanager"], detail = { eventName = ["RotationFailed"] } })
}

resource "aws_cloudwatch_event_target" "failed" {
  rule = aws_cloudwatch_event_rule.failed.name
  arn  = aws_sns_topic.alerts.arn
}
