# Whether the rotations that this apply has ordered went well: RotateSecret answers before the function is called, so
# without this an apply is green when the first rotation fails.
#
# One call of the function, which raises: the apply then fails with what is wrong, nothing is in the state, and the next
# apply asks again. A postcondition would store the bad answer and fail every later plan, and with the scope CRUD a failed
# update counts as done and a failing function blocks destroy.

locals {
  verify_most = max(0, var.function.timeout - 5)
  verify_wait = try(coalesce(var.verify.wait, min(local.verify_most, 55)), 0)
}

resource "aws_lambda_invocation" "verify" {
  count = var.verify != null && var.enable_rotation && length(local.secrets) > 0 ? 1 : 0

  function_name = aws_lambda_function.rotation.function_name
  input = jsonencode(merge(
    # Of a package the plan compares the zip (main.tf), and an S3 object without a hash is not compared.
    local.own_code ? { Code = local.code_hash } : {},
    {
      Step      = "diagnose"
      SecretIds = values(aws_secretsmanager_secret_rotation.this)[*].id
      # Without rotate_immediately nothing has begun: then what the first rotation needs is checked, and a login tried.
      Wait  = var.rotate_immediately ? local.verify_wait : 0
      Login = !var.rotate_immediately
      Fail  = true
    },
  ))

  triggers = {
    # The rules as configured: the rotation's own differ between plan and apply when a rule is removed (null, then
    # "" or 0), which Terraform refuses here as an inconsistent final plan.
    rotations = sha1(jsonencode([
      [
        for key, rotation in aws_secretsmanager_secret_rotation.this :
        [rotation.id, var.schedule.days, local.expressions[key], var.schedule.duration]
      ],
      aws_lambda_function.rotation.layers,
      aws_lambda_function.rotation.source_code_hash,
      local.environment,
    ]))
  }
}
