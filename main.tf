locals {
  # An ARN is no secret, even if its source marks all that it gives as sensitive.
  secrets = { for key, arn in nonsensitive(var.secrets) : key => nonsensitive(arn) }
  # By the name, which is the same when the secret is made again; the six characters at the ARN's end are not.
  secret_names = { for key, arn in local.secrets : key => replace(try(split(":", arn)[6], arn), "/-[^-]{6}$/", "") }
  expressions = {
    for key, name in local.secret_names : key => (
      var.schedule.spread_hours == null ? var.schedule.expression : replace(
        var.schedule.expression, "{hour}",
        var.schedule.spread_hours[parseint(substr(sha256(name), 0, 8), 16) % length(var.schedule.spread_hours)],
      )
    )
  }

  # What differs from the function's own defaults, which are the same: a plan is read by people.
  environment = merge(
    var.function.environment,
    {
      for name, value in {
        EXCLUDE_CHARACTERS         = var.exclude_characters
        EXCLUDE_LOWERCASE          = tostring(!contains(var.password.classes, "lowercase"))
        EXCLUDE_NUMBERS            = tostring(!contains(var.password.classes, "numbers"))
        EXCLUDE_PUNCTUATION        = tostring(!contains(var.password.classes, "punctuation"))
        EXCLUDE_UPPERCASE          = tostring(!contains(var.password.classes, "uppercase"))
        INCLUDE_SPACE              = tostring(contains(var.password.classes, "space"))
        PASSWORD_LENGTH            = tostring(var.password.length)
        REQUIRE_EACH_INCLUDED_TYPE = tostring(var.password.require_each_included_type)
        TARGET                     = var.target.type
      } : name => value if value != local.defaults[name]
    },
    var.keys == null ? {} : { SECRET_KEYS = jsonencode(var.keys) },
    var.overwrite_json ? { OVERWRITE_JSON = "true" } : {},
    length(var.generators) == 0 ? {} : {
      GENERATORS = jsonencode({
        for key, generator in var.generators : key => { for name, value in generator : name => value if value != null }
      })
    },
    length(var.target.settings) == 0 ? {} : { TARGET_SETTINGS = jsonencode(var.target.settings) },
    !local.calls_given ? {} : { TARGET_CALLS = jsonencode(var.target.calls) },
    # Its file is in a layer, by its own name; in a package it is custom_target.py.
    !local.own_target ? {} : { TARGET_FILE = basename(var.target.file) },
    var.endpoint_url == null ? {} : { SECRETS_MANAGER_ENDPOINT = var.endpoint_url },
  )
  defaults = {
    EXCLUDE_CHARACTERS         = "/@\"'\\"
    EXCLUDE_LOWERCASE          = "false"
    EXCLUDE_NUMBERS            = "false"
    EXCLUDE_PUNCTUATION        = "false"
    EXCLUDE_UPPERCASE          = "false"
    INCLUDE_SPACE              = "false"
    PASSWORD_LENGTH            = "32"
    REQUIRE_EACH_INCLUDED_TYPE = "true"
    TARGET                     = "none"
  }
  # How a message names the call: Terraform does not say which one a precondition failed in.
  call   = "name = ${jsonencode(var.name)}: "
  target = local.catalogue.targets[var.target.type]
  # A target that issues several values names the settings that say in which keys they go.
  issued_keys = try([for name in local.target.issued_keys : lookup(var.target.settings, name, local.target.settings[name].default)], null)
  # The key that the target logs in with: never the first of keys because it happens to be that.
  password_key = try(var.target.settings.password_key, one(var.keys), contains(var.keys, "password") ? "password" : null, null)

  # Where a secret is, that the function cannot rotate there.
  secret_places = { for key, arn in local.secrets : key => split(":", arn) if !local.mocked }
  place_problems = concat(
    [
      for key, arn in local.secret_places : "secrets[${jsonencode(key)}] is in the partition ${arn[1]}, and the function is in ${local.partition}. Call the module with a provider for that partition."
      if arn[1] != local.partition
    ],
    [
      for key, arn in local.secret_places : "secrets[${jsonencode(key)}] is in ${arn[3]}, and the function is in ${local.region}. A secret rotates in its own region: call the module once for each region, with `providers = { aws = aws.<alias for ${arn[3]}> }` and a role.name of its own. Of a replicated secret, give the primary."
      if arn[3] != local.region
    ],
    [
      for key, arn in local.secret_places : "secrets[${jsonencode(key)}] is in the account ${arn[4]}, and the function is in ${local.account_id}. Call the module in the secret's account, with `providers = { aws = aws.<alias for that account> }`."
      if arn[4] != local.account_id
    ],
  )

  # Lambda measures the map as JSON, in bytes. jsonencode writes <, > and & as six characters, Lambda as one; base64 has
  # four characters for three bytes.
  environment_json = replace(jsonencode(local.environment), "/\\\\u00(3c|3e|26)/", "_")
  environment_size = floor(length(replace(base64encode(local.environment_json), "=", "")) * 3 / 4)
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.logs.retention_in_days
  kms_key_id        = var.logs.kms_key_arn
  skip_destroy      = var.logs.skip_destroy
  tags              = var.tags
}

resource "aws_lambda_function" "rotation" {
  #checkov:skip=CKV_AWS_50:Tracing costs money and is the caller's choice: function.tracing.
  #checkov:skip=CKV_AWS_116:Secrets Manager calls synchronously, so a dead-letter queue would never get anything.
  function_name = var.name
  description   = "Rotates secrets of AWS Secrets Manager, target ${var.target.type}"
  role          = local.role_arn
  handler       = "lambda_function.lambda_handler"

  filename          = local.function_zip
  source_code_hash  = local.function_hash
  s3_bucket         = try(local.s3.bucket, null)
  s3_key            = try(local.s3.key, null)
  s3_object_version = try(local.s3.version, null)

  runtime                        = var.function.runtime
  architectures                  = [var.function.architecture]
  memory_size                    = var.function.memory_size
  timeout                        = var.function.timeout
  layers                         = concat(var.function.layers, values(aws_lambda_layer_version.layer)[*].arn)
  reserved_concurrent_executions = var.function.reserved_concurrency
  code_signing_config_arn        = var.function.code_signing_config_arn
  kms_key_arn                    = var.function.kms_key_arn
  tags                           = var.tags

  dynamic "environment" {
    for_each = length(local.environment) == 0 ? [] : [local.environment]
    content {
      variables = environment.value
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.function.name
    application_log_level = var.function.log_level
  }

  tracing_config {
    mode = var.function.tracing
  }

  dynamic "vpc_config" {
    for_each = var.network[*]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids

      ipv6_allowed_for_dual_stack = vpc_config.value.dual_stack
    }
  }

  depends_on = [aws_iam_role_policy.function]

  lifecycle {
    # Layers are compared at each plan; of the function's own zip the provider compares the hash that it has sent, and not
    # what is there. Unknown, and so passed over, while another zip is planned: the old hash is shown until apply. A check
    # block would not do: one that is unknown at plan fails the terraform test of every caller.
    postcondition {
      condition = terraform_data.package.id == "" || local.function_hash == null || !can(regex("^.{43}=$", self.code_sha256)) ? true : (
        self.code_sha256 == local.function_hash
      )
      error_message = "The code of the function ${var.name} was changed outside Terraform. To restore it, plan and apply with -replace='<address of this module>.aws_lambda_function.rotation'; no secret rotates for that."
    }
    # Not validations: those would also stop terraform destroy and a refresh, which need no file.
    precondition {
      condition     = var.target.file == null || local.own_target
      error_message = nonsensitive("${local.call}target.file is ${jsonencode(var.target.file)}, which is not on disk. Give the path of your Python file, for example \"$${path.module}/my_target.py\".")
    }
    precondition {
      condition     = local.s3 != null || local.function_hash != null
      error_message = nonsensitive("${local.call}package.path is ${jsonencode(local.function_zip)}, which is not on disk. The zip must be there at plan and at apply.")
    }
    precondition {
      condition     = 0 <= local.verify_wait && local.verify_wait <= local.verify_most # here, since each resource with a check is longer in the state
      error_message = nonsensitive("${local.call}verify.wait is ${local.verify_wait}; allowed are 0 to ${local.verify_most} seconds, 5 less than function.timeout. Change verify.wait or function.timeout; verify = null does not ask.")
    }
    precondition {
      condition     = length(var.function.layers) <= local.layers_allowed
      error_message = nonsensitive("${local.call}function.layers has ${length(var.function.layers)} entries; allowed are ${local.layers_allowed}. Lambda allows 5, of which the module uses one for its code and one for target.file.")
    }
    precondition {
      condition     = local.environment_size <= 4096
      error_message = nonsensitive("${local.call}The function's environment has ${local.environment_size} bytes; Lambda allows 4096. Shorten keys, generators, target.settings, target.calls or exclude_characters.")
    }
    # Not validations of var.target: one that reads another variable is skipped, with all others, when that is refused.
    precondition {
      condition     = local.issued_keys == null || toset(coalesce(var.keys, [])) == toset(coalesce(local.issued_keys, []))
      error_message = nonsensitive("${local.call}The target ${var.target.type} issues the values itself, so keys must be ${jsonencode(local.issued_keys)}; keys is ${jsonencode(var.keys)}. To use other names, set target.settings: ${join(", ", try(local.target.issued_keys, []))}.")
    }
    precondition {
      condition     = local.password_key == null ? var.keys == null || !try(local.target.one_password, false) : contains(coalesce(var.keys, []), local.password_key)
      error_message = nonsensitive("${local.call}The target ${var.target.type} logs in with the value of one of keys, which target.settings.password_key names (without it: the only one of keys, or password). password_key is ${jsonencode(local.password_key)}; keys is ${jsonencode(var.keys)}.")
    }
    precondition {
      condition     = length(local.settings_problems) == 0
      error_message = nonsensitive("${local.call}target.settings of the type ${var.target.type}: ${join("; ", local.settings_problems)}.")
    }
    precondition {
      condition     = length(local.arn_problems) == 0
      error_message = nonsensitive("${local.call}target.settings of the type ${var.target.type}: ${join("; ", local.arn_problems)}.")
    }
    precondition {
      condition     = length(local.template_problems) == 0
      error_message = nonsensitive("${local.call}target.settings of the type ${var.target.type}: ${join("; ", local.template_problems)}.")
    }
    precondition {
      condition     = length(local.call_problems) == 0
      error_message = nonsensitive("${local.call}${join("; ", local.call_problems)}.")
    }
    precondition {
      condition     = length(local.call_value_problems) == 0
      error_message = nonsensitive("${local.call}${join("; ", local.call_value_problems)}.")
    }
    precondition {
      condition     = length(local.place_problems) == 0
      error_message = "${local.call}${join(" ", local.place_problems)}"
    }
    precondition {
      condition     = var.role.arn != null || local.role_policy_size <= 10240
      error_message = nonsensitive("${local.call}The role's policy has ${local.role_policy_size} characters; IAM allows 10240 for the inline policies of a role. Move statements of role.statements to a managed policy and attach it to the output role_name.")
    }
    precondition {
      condition     = var.role.arn != null || length(setintersection(local.module_statements[*].Sid, keys(var.role.statements))) == 0
      error_message = nonsensitive("${local.call}role.statements uses a name that the module uses itself: ${join(", ", setintersection(local.module_statements[*].Sid, keys(var.role.statements)))}. Choose another.")
    }
    precondition {
      condition     = !try(local.target.one_secret, false) || length(local.secrets) <= 1
      error_message = nonsensitive("${local.call}The target ${var.target.type} issues its values for one secret, and secrets has ${length(local.secrets)}: ${join(", ", keys(local.secrets))}. Call the module once for each, with its own settings.")
    }
  }
}

# Secrets Manager of this account only: without the account, a secret of anybody else could name this function.
resource "aws_lambda_permission" "secrets_manager" {
  statement_id   = "AllowSecretsManager"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.rotation.function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = try(split(":", aws_cloudwatch_log_group.function.arn)[4], local.account_id) # known in state

  lifecycle {
    # A replaced function of the same name has lost its permission. Its id changes only then, not with an update.
    replace_triggered_by = [aws_lambda_function.rotation.id]
  }
}

resource "aws_secretsmanager_secret_rotation" "this" {
  #checkov:skip=CKV_AWS_304:How often is the caller's choice: schedule.
  for_each = { for key, arn in local.secrets : key => arn if var.enable_rotation }

  secret_id           = each.value
  rotation_lambda_arn = aws_lambda_function.rotation.arn
  rotate_immediately  = var.rotate_immediately

  rotation_rules {
    automatically_after_days = var.schedule.days
    schedule_expression      = local.expressions[each.key]
    duration                 = var.schedule.duration
  }

  # Secrets Manager refuses a function that it may not call, and the first rotation begins at once.
  depends_on = [
    aws_lambda_permission.secrets_manager,
    aws_iam_role_policy.function,
    aws_cloudwatch_log_group.function,
    module.events, # on_success is for the first rotation too
  ]
}
