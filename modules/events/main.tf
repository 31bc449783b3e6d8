locals {
  # ARNs are matched whole or by their beginning; the beginning of a name by what stands before it in any ARN.
  success_pattern = jsonencode(merge(
    { source = ["aws.secretsmanager"], detail-type = ["Secret Label Updated"] },
    var.secrets == null ? {} : { resources = var.secrets },
    {
      detail = merge(
        { labelUpdated = ["AWSCURRENT"] },
        var.name_prefixes == null ? {} : { name = [for prefix in var.name_prefixes : { prefix = prefix }] },
      )
    },
  ))
  failure_pattern = jsonencode({
    source      = ["aws.secretsmanager"]
    detail-type = ["AWS Service Event via CloudTrail"]
    detail = merge(
      { eventName = ["RotationFailed", "RotationAbandoned"] },
      var.secrets == null ? {} : { additionalEventData = { SecretId = var.secrets } },
      var.name_prefixes == null ? {} : {
        additionalEventData = { SecretId = [for prefix in var.name_prefixes : { wildcard = "*:secret:${prefix}*" }] }
      },
    )
  })
  rules = merge(
    length(var.on_success) == 0 ? {} : { success = local.success_pattern },
    length(var.on_failure) == 0 ? {} : { failure = local.failure_pattern },
  )
  descriptions = {
    success = "A secret has a new AWSCURRENT value."
    failure = "A rotation has failed or was abandoned. Published only if a CloudTrail trail logs management events."
  }
  own_queue       = var.dead_letter_queue_arn == null && length(local.rules) > 0
  dead_letter_arn = local.own_queue ? aws_sqs_queue.dead_letters[0].arn : var.dead_letter_queue_arn
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = local.descriptions[each.key]
  event_pattern = each.value
  tags          = var.tags

  lifecycle {
    precondition {
      condition     = length(each.value) <= 2048
      error_message = "The event pattern for secrets has ${length(each.value)} characters; EventBridge allows 2048. Give the secrets names that begin alike, and set name_prefixes instead of secrets."
    }
  }
}

resource "aws_cloudwatch_event_target" "success" {
  for_each = var.on_success

  rule       = aws_cloudwatch_event_rule.this["success"].name
  target_id  = each.key
  arn        = each.value.arn
  role_arn   = each.value.role_arn
  depends_on = [aws_sqs_queue_policy.dead_letters]

  dynamic "input_transformer" {
    for_each = each.value.input_template[*]
    content {
      input_paths    = each.value.input_paths
      input_template = input_transformer.value
    }
  }

  retry_policy {
    maximum_retry_attempts       = each.value.retries
    maximum_event_age_in_seconds = each.value.maximum_age
  }

  dead_letter_config {
    arn = local.dead_letter_arn
  }
}

resource "aws_cloudwatch_event_target" "failure" {
  for_each = var.on_failure

  rule       = aws_cloudwatch_event_rule.this["failure"].name
  target_id  = each.key
  arn        = each.value
  depends_on = [aws_sqs_queue_policy.dead_letters]

  dead_letter_config {
    arn = local.dead_letter_arn
  }
}

resource "aws_lambda_permission" "success" {
  for_each = { for key, target in var.on_success : key => target.function_name if target.function_name != null }

  statement_id  = "AllowEvents-${var.name}-${each.key}"
  action        = "lambda:InvokeFunction"
  function_name = each.value
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this["success"].arn
}

resource "aws_sqs_queue" "dead_letters" {
  count = local.own_queue ? 1 : 0

  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600 # 14 days, SQS's longest
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "dead_letters" {
  count = local.own_queue ? 1 : 0

  queue_url = aws_sqs_queue.dead_letters[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowRules"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.dead_letters[0].arn
      Condition = { ArnEquals = { "aws:SourceArn" = values(aws_cloudwatch_event_rule.this)[*].arn } }
    }]
  })
}
