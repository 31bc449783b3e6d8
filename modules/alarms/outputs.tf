output "alarm_arns" {
  description = "ARNs of the alarms, by what they tell: `needs-attention`, `overdue`, `not-watched`, `throttles`, `errors`, `dead-letters-<key>`."
  value = merge(
    { for key, alarm in aws_cloudwatch_metric_alarm.watched : key => alarm.arn },
    { for alarm in aws_cloudwatch_metric_alarm.not_watched : "not-watched" => alarm.arn },
    { for key, alarm in aws_cloudwatch_metric_alarm.lambda : key => alarm.arn },
    { for key, alarm in aws_cloudwatch_metric_alarm.dead_letters : "dead-letters-${key}" => alarm.arn },
  )
}
