# Metric-math alarms are left out: in some versions of the provider they never reach an empty plan.

locals {
  period = var.interval_hours * 3600

  # What the watcher counts, in its log (embedded metric format).
  watched = var.watcher == null ? {} : {
    needs-attention = {
      metric_name = "NeedsAttention"
      description = "Page. A rotation of ${var.function_name} has failed, is stuck, or has locked its user out. The log of ${var.watcher.name} names the secret and the next command."
    }
    overdue = {
      metric_name = "Overdue"
      description = "Ticket. A secret of ${var.function_name} has not rotated an hour after the end of its window."
    }
  }

  # Lambda's own. Throttled: Secrets Manager was refused, and the function's code never ran.
  lambda = {
    throttles = {
      metric_name = "Throttles"
      ok_actions  = var.ok_actions
      description = "Ticket. Lambda refused to run ${var.function_name}: its reserved or the account's concurrency is used up."
    }
    errors = {
      metric_name = "Errors"
      ok_actions  = [] # one failed step is tried again by Secrets Manager: that it ended well, needs-attention says
      description = "Notice. A step of ${var.function_name} failed. Secrets Manager tries it again."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "watched" {
  for_each = local.watched

  alarm_name          = "${var.function_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "SecretRotation"
  metric_name         = each.value.metric_name
  dimensions          = { FunctionName = var.function_name }
  statistic           = "Maximum"
  period              = local.period
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "ignore" # not-watched tells of that
  alarm_actions       = var.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# No data is no alarm, but a state of its own: so the alarm is silent until the first look, and tells when looks end.
resource "aws_cloudwatch_metric_alarm" "not_watched" {
  count = var.watcher == null ? 0 : 1

  alarm_name                = "${var.function_name}-not-watched"
  alarm_description         = "Ticket. ${var.watcher.name} has not looked at the secrets of ${var.function_name} for about three times ${var.interval_hours} h: see its log and its schedule."
  namespace                 = "SecretRotation"
  metric_name               = "Secrets"
  dimensions                = { FunctionName = var.function_name }
  statistic                 = "Minimum"
  period                    = local.period
  evaluation_periods        = 1
  threshold                 = 0
  comparison_operator       = "LessThanThreshold"
  treat_missing_data        = "missing"
  alarm_actions             = var.alarm_actions
  insufficient_data_actions = var.alarm_actions
  ok_actions                = var.ok_actions
  tags                      = var.tags
}

resource "aws_cloudwatch_metric_alarm" "lambda" {
  for_each = local.lambda

  alarm_name          = "${var.function_name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric_name
  dimensions          = { FunctionName = var.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = each.value.ok_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = var.dead_letter_queues

  alarm_name          = "${var.function_name}-dead-letters-${each.key}"
  alarm_description   = "Ticket. EventBridge could not deliver an event: the queue ${each.value} holds it, with the reason as an attribute."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "ignore" # a queue of which nobody has taken a letter keeps it, and tells nothing after six hours
  alarm_actions       = var.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# The schedule.

resource "aws_cloudwatch_event_rule" "watch" {
  count = var.watcher == null ? 0 : 1

  name                = "${var.function_name}-watch"
  description         = "Looks at the secrets of ${var.function_name}, without a login."
  schedule_expression = var.interval_hours == 1 ? "rate(1 hour)" : "rate(${var.interval_hours} hours)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "watch" {
  count = var.watcher == null ? 0 : 1

  rule = aws_cloudwatch_event_rule.watch[0].name
  arn  = var.watcher.arn

  input_transformer {
    input_paths = { now = "$.time" }
    # No jsonencode: it would escape the placeholder.
    input_template = var.watcher.function_arn == null ? "{\"Step\": \"watch\", \"Now\": <now>}" : "{\"Step\": \"watch\", \"Now\": <now>, \"Function\": \"${var.watcher.function_arn}\"}"
  }
}

resource "aws_lambda_permission" "watch" {
  count = var.watcher == null ? 0 : 1

  statement_id  = "AllowWatch-${var.function_name}"
  action        = "lambda:InvokeFunction"
  function_name = var.watcher.name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.watch[0].arn
}
