output "rule_arns" {
  description = "ARNs of the rules, `success` and `failure`, as far as they are used: for `aws:SourceArn` in the policy of a queue or topic."
  value       = { for key, rule in aws_cloudwatch_event_rule.this : key => rule.arn }
}

output "dead_letter_queue_name" {
  description = "Name of the queue for events that could not be delivered, for an alarm; null if there is none."
  value       = local.dead_letter_arn == null ? null : element(split(":", local.dead_letter_arn), 5)
}
