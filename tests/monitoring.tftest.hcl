# Alarms, events and fleets: what is made, and for whom nothing is.

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
  # OpenTofu's mocks are known at plan.
  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:rule/app" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:app" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:app" }
  }
}
mock_provider "archive" {}

variables {
  name    = "app"
  secrets = { app = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/app-AbCdEf" }
}

run "nothing_is_made_for_who_asks_for_nothing" {
  command = plan

  assert {
    condition     = length(module.alarms) == 0 && length(module.events) == 0 && !strcontains(aws_iam_role_policy.function[0].policy, "ListSecrets")
    error_message = "A call without alarms and on_success gets neither alarms, nor rules, nor a permission for them."
  }
}

run "alarms_are_five_and_the_role_may_list" {
  command = plan

  variables {
    alarms = { alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:alarms"] }
  }

  assert {
    condition     = toset(keys(module.alarms[0].alarm_arns)) == toset(["needs-attention", "overdue", "not-watched", "throttles", "errors"])
    error_message = "There is an alarm for each of five things."
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.function[0].policy, "secretsmanager:ListSecrets")
    error_message = "The function lists the secrets."
  }
  assert {
    condition     = length(module.events) == 0
    error_message = "Events are opt-in."
  }
}

run "a_queue_for_dead_letters_gets_an_alarm" {
  command = plan

  variables {
    alarms     = { alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:alarms"] }
    on_success = { restart = { arn = "arn:aws:sqs:eu-central-1:123456789012:restart" } }
  }

  assert {
    condition     = contains(keys(module.alarms[0].alarm_arns), "dead-letters-events")
    error_message = "What could not be delivered is told."
  }
}

run "events_of_rotations_go_to_the_topics_of_the_alarms" {
  command = plan

  variables {
    alarms = { alarm_actions = ["arn:aws:sns:eu-central-1:123456789012:alarms"], events = true }
  }

  assert {
    condition     = toset(keys(output.event_rule_arns)) == toset(["failure"])
    error_message = "There is a rule for failures, and none for success."
  }
}

run "an_hour_is_chosen_by_the_secrets_name_and_not_by_the_rest_of_its_arn" {
  command = plan

  variables {
    secrets = {
      app   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/app-AbCdEf"
      again = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/app-GhIjKl"
      other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/other-AbCdEf"
    }
    schedule = { expression = "cron(0 {hour} ? * MON-THU *)", spread_hours = [1, 2, 3, 4, 5, 6, 7, 8] }
  }

  assert {
    condition = alltrue([
      for rotation in aws_secretsmanager_secret_rotation.this :
      can(regex("^cron\\(0 [1-8] \\? \\* MON-THU \\*\\)$", rotation.rotation_rules[0].schedule_expression))
    ])
    error_message = "The hour is one of those that were given, and the rest of the expression is kept."
  }
  assert {
    condition     = aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].schedule_expression == aws_secretsmanager_secret_rotation.this["again"].rotation_rules[0].schedule_expression
    error_message = "A secret that is made again keeps its hour."
  }
  assert {
    condition     = aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].schedule_expression != aws_secretsmanager_secret_rotation.this["other"].rotation_rules[0].schedule_expression
    error_message = "Secrets are spread."
  }
}

run "many" { # applied: OpenTofu knows no outputs of a plan
  module {
    source = "./tests/fixtures/many_secrets"
  }
}

run "more_secrets_than_the_policy_lists" {
  command = plan

  variables {
    secrets = run.many.some
  }

  assert {
    condition     = jsondecode(output.role_policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"
    error_message = "The policy lists 20 secrets at most: ${output.role_policy}."
  }
}

run "policy_environment_and_permission_do_not_grow_with_the_secrets" {
  command = plan

  variables {
    secrets = run.many.secrets
  }

  assert {
    condition     = length(aws_secretsmanager_secret_rotation.this) == 500
    error_message = "Each secret rotates."
  }
  assert {
    condition     = jsondecode(output.role_policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"
    error_message = "The policy is the same for 21 and for 500 secrets: it lists 20 at most."
  }
  assert {
    condition     = length(aws_lambda_function.rotation.environment) == 0
    error_message = "The environment names no secret."
  }
  assert {
    condition     = aws_lambda_permission.secrets_manager.source_arn == null
    error_message = "One permission serves all secrets of the account."
  }
}
