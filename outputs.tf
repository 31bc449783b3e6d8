output "function_name" {
  description = "Name of the rotation function."
  value       = aws_lambda_function.rotation.function_name
}

output "function_arn" {
  description = "ARN of the rotation function."
  value       = aws_lambda_function.rotation.arn
}

output "role_name" {
  description = "Name of the function's role, to attach further policies to."
  value       = basename(local.role_arn)
}

output "role_arn" {
  description = "ARN of the function's role, for the policies of keys and resources."
  value       = local.role_arn
}

output "role_policy" {
  description = "Policy, in JSON, that the function's role has, or needs if it is `role.arn`."
  value       = local.role_policy
}

output "secret_policy" {
  description = "Resource policy, in JSON, for the secrets: denies their values to all but the function's role and the ARNs in `secret_policy`. Attach it with `aws_secretsmanager_secret_policy` (docs/security.md)."
  value       = local.secret_policy
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = aws_cloudwatch_log_group.function.arn
}

output "rotation_ids" {
  description = "Ids of the rotations (the ARNs of the secrets), with the keys of `secrets`. They are known once rotation is turned on; the first rotation has then begun, and may not have ended."
  value       = { for key, rotation in aws_secretsmanager_secret_rotation.this : key => rotation.id }
}

output "unsettled" {
  description = "Keys of `secrets` whose rotation had not ended, or whose state was not known, when `verify` stopped waiting: ask `diagnose_command` later. Null if it did not ask."
  value = length(aws_lambda_invocation.verify) == 0 ? null : [
    for key, arn in local.secrets : key if contains(try(jsondecode(aws_lambda_invocation.verify[0].result).unsettled, []), arn)
  ]
}

output "diagnose_command" {
  description = "AWS CLI command that reports the state of each secret's rotation, and the commands for the next step (docs/diagnose.md)."
  value = join(" ", [
    "aws lambda invoke --region ${local.region} --function-name ${aws_lambda_function.rotation.function_name}",
    "--cli-binary-format raw-in-base64-out --payload '${jsonencode({ Step = "diagnose", SecretIds = values(local.secrets), Login = true })}' /dev/stdout",
  ])
}

output "package_hash" {
  description = "SHA-256, in base64, of the zip with the code that runs: of the layer, or of `package`."
  value       = local.own_code ? aws_lambda_layer_version.layer["code"].code_sha256 : aws_lambda_function.rotation.code_sha256
}

output "alarm_arns" {
  description = "ARNs of the alarms, by what they tell: `needs-attention`, `overdue`, `not-watched`, `throttles`, `errors`, `dead-letters-events`. Empty without `alarms`."
  value       = var.alarms == null ? {} : module.alarms[0].alarm_arns
}

output "event_rule_arns" {
  description = "ARNs of the EventBridge rules `success` and `failure`, as far as they are used: for `aws:SourceArn` in the policy of a queue or topic."
  value       = local.has_events ? module.events[0].rule_arns : {}
}
