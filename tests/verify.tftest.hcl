# What is said of rotations that verify did not see the end of. Apart: a mocked resource keeps its values once it is made.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012", arn = "arn:aws:iam::123456789012:user/test" }
  }
  mock_data "aws_service_principal" {
    defaults = { region = "eu-central-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/app" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app" }
  }
  mock_resource "aws_lambda_layer_version" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:layer:app:1" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:app" }
  }
}
mock_provider "archive" {}

variables {
  name = "app"
  secrets = {
    a = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf"
    b = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:b-AbCdEf"
  }
}

run "what_verify_did_not_see_the_end_of_is_an_output" {
  override_resource {
    target = aws_lambda_invocation.verify
    values = { result = "{\"verdict\": \"rotating\", \"unsettled\": [\"arn:aws:secretsmanager:eu-central-1:123456789012:secret:b-AbCdEf\"]}" }
  }

  assert {
    condition     = jsonencode(output.unsettled) == jsonencode(["b"])
    error_message = "The secrets are named by the caller's keys."
  }
}

run "without_verify_nothing_is_known" {
  command = plan
  variables {
    verify = null
  }

  assert {
    condition     = output.unsettled == null
    error_message = "An empty list would say that all rotations have ended."
  }
}
