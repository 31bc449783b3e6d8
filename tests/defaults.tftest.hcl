# What a plain call makes, and what each input changes.

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
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
}
mock_provider "archive" {}

variables {
  name    = "app"
  secrets = { app = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
}

run "a_plain_call_rotates_plain_text_every_30_days" {
  command = plan

  assert {
    condition     = length(aws_lambda_function.rotation.environment) == 0
    error_message = "The function's own defaults are the module's: nothing has to be passed."
  }
  assert {
    condition = (
      aws_lambda_function.rotation.runtime == "python3.13" &&
      aws_lambda_function.rotation.architectures == tolist(["arm64"]) &&
      aws_lambda_function.rotation.memory_size == 256 &&
      aws_lambda_function.rotation.timeout == 60
    )
    error_message = "The function is not python3.13 on arm64 with 256 MB and 60 s."
  }
  assert {
    condition     = length(aws_lambda_function.rotation.vpc_config) == 0
    error_message = "Without network the function must be outside a VPC."
  }
  assert {
    condition     = aws_lambda_function.rotation.tracing_config[0].mode == "PassThrough"
    error_message = "Tracing must be off."
  }
  assert {
    condition = (
      aws_lambda_function.rotation.logging_config[0].log_group == "/aws/lambda/app" &&
      aws_lambda_function.rotation.logging_config[0].log_format == "JSON" &&
      aws_lambda_function.rotation.logging_config[0].application_log_level == "INFO" &&
      aws_cloudwatch_log_group.function.retention_in_days == 30
    )
    error_message = "The log must be JSON, in the module's own group, kept for 30 days."
  }
  assert {
    condition = (
      aws_lambda_permission.secrets_manager.principal == "secretsmanager.amazonaws.com" &&
      aws_lambda_permission.secrets_manager.action == "lambda:InvokeFunction"
    )
    error_message = "Only Secrets Manager may call the function."
  }
  assert {
    condition = (
      aws_secretsmanager_secret_rotation.this["app"].secret_id == var.secrets.app &&
      aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].automatically_after_days == 30 &&
      aws_secretsmanager_secret_rotation.this["app"].rotate_immediately
    )
    error_message = "The secret must rotate at once and every 30 days."
  }
  assert {
    condition     = aws_iam_role.function[0].name == "app" && aws_iam_role.function[0].path == "/"
    error_message = "The role has the function's name."
  }
}

run "a_pause_keeps_the_function_and_asks_nothing" {
  command = plan

  variables {
    enable_rotation = false
  }

  assert {
    condition     = length(aws_secretsmanager_secret_rotation.this) == 0 && length(aws_lambda_invocation.verify) == 0
    error_message = "There must be no rotation, and nothing to verify."
  }
}

run "an_apply_is_not_verified_where_it_is_not_to_be" {
  command = plan

  variables {
    verify = null
  }

  assert {
    condition     = length(aws_lambda_invocation.verify) == 0
    error_message = "The function must not be asked."
  }
}

run "no_secrets_make_a_function_without_rotations" {
  command = plan

  variables {
    secrets = {}
  }

  assert {
    condition     = length(aws_secretsmanager_secret_rotation.this) == 0 && length(aws_lambda_invocation.verify) == 0
    error_message = "There must be no rotation, and nothing to verify."
  }
}

run "a_secret_that_is_created_in_the_same_apply_can_rotate" {
  command = plan

  module {
    source = "./tests/fixtures/new_secret"
  }
  override_resource {
    target = aws_secretsmanager_secret.admin
    values = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin-AbCdEf" }
  }

  assert {
    condition     = output.function_name == "app"
    error_message = "The plan must not need the ARN of the secret."
  }
}

run "each_setting_reaches_the_function" {
  command = plan

  variables {
    keys               = ["password", "key"]
    exclude_characters = ""
    password           = { length = 20, classes = ["lowercase", "space"], require_each_included_type = false }
    generators = {
      key = { type = "rsa", bits = 3072, kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1", public_key = "public" }
    }
    target       = { type = "redis", settings = { host = "redis.internal" } }
    network      = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
    function     = { layers = ["arn:aws:lambda:eu-central-1:123456789012:layer:drivers:1"] }
    endpoint_url = "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com"
  }

  assert {
    condition = aws_lambda_function.rotation.environment[0].variables == tomap({
      EXCLUDE_CHARACTERS         = ""
      EXCLUDE_NUMBERS            = "true"
      EXCLUDE_PUNCTUATION        = "true"
      EXCLUDE_UPPERCASE          = "true"
      GENERATORS                 = "{\"key\":{\"bits\":\"3072\",\"kms_key_arn\":\"arn:aws:kms:eu-central-1:123456789012:key/1\",\"public_key\":\"public\",\"type\":\"rsa\"}}"
      INCLUDE_SPACE              = "true"
      PASSWORD_LENGTH            = "20"
      REQUIRE_EACH_INCLUDED_TYPE = "false"
      SECRETS_MANAGER_ENDPOINT   = "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com"
      SECRET_KEYS                = "[\"password\",\"key\"]"
      TARGET                     = "redis"
      TARGET_SETTINGS            = "{\"host\":\"redis.internal\"}"
    })
    error_message = "The function's environment is ${jsonencode(aws_lambda_function.rotation.environment[0].variables)}."
  }
  assert {
    condition = (
      toset(aws_lambda_function.rotation.vpc_config[0].subnet_ids) == toset(["subnet-1", "subnet-2"]) &&
      toset(aws_lambda_function.rotation.vpc_config[0].security_group_ids) == toset(["sg-1"])
    )
    error_message = "The function must be in the subnets, with the security group."
  }
}

run "each_option_reaches_its_resource" {
  command = plan

  variables {
    schedule           = { expression = "cron(0 0,4,20-23/4 ? JAN-DEC MON#1 *)", duration = "4h" }
    rotate_immediately = false
    function = {
      runtime                 = "python3.12"
      architecture            = "x86_64"
      memory_size             = 512
      timeout                 = 120
      layers                  = ["arn:aws:lambda:eu-central-1:123456789012:layer:drivers:1"]
      log_level               = "DEBUG"
      tracing                 = "Active"
      reserved_concurrency    = 10
      code_signing_config_arn = "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    }
    logs = { retention_in_days = 0, kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
    role = { name = "app-eu", path = "/rotation/", permissions_boundary = "arn:aws:iam::123456789012:policy/boundary" }
    tags = { team = "platform" }
  }

  assert {
    condition = (
      aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].schedule_expression == "cron(0 0,4,20-23/4 ? JAN-DEC MON#1 *)" &&
      aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].duration == "4h" &&
      aws_secretsmanager_secret_rotation.this["app"].rotation_rules[0].automatically_after_days == null &&
      !aws_secretsmanager_secret_rotation.this["app"].rotate_immediately
    )
    error_message = "The schedule does not reach the rotation."
  }
  assert {
    condition = (
      aws_lambda_function.rotation.runtime == "python3.12" &&
      aws_lambda_function.rotation.architectures == tolist(["x86_64"]) &&
      aws_lambda_function.rotation.memory_size == 512 &&
      aws_lambda_function.rotation.timeout == 120 &&
      aws_lambda_function.rotation.layers[0] == "arn:aws:lambda:eu-central-1:123456789012:layer:drivers:1" &&
      aws_lambda_function.rotation.logging_config[0].application_log_level == "DEBUG" &&
      aws_lambda_function.rotation.tracing_config[0].mode == "Active" &&
      aws_lambda_function.rotation.reserved_concurrent_executions == 10 &&
      aws_lambda_function.rotation.code_signing_config_arn == "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    )
    error_message = "An option does not reach the function."
  }
  assert {
    condition = (
      aws_cloudwatch_log_group.function.retention_in_days == 0 &&
      aws_cloudwatch_log_group.function.kms_key_id == "arn:aws:kms:eu-central-1:123456789012:key/1"
    )
    error_message = "An option does not reach the log group."
  }
  assert {
    condition = (
      aws_iam_role.function[0].name == "app-eu" &&
      aws_iam_role.function[0].path == "/rotation/" &&
      aws_iam_role.function[0].permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    )
    error_message = "An option does not reach the role."
  }
  assert {
    condition = alltrue([
      for resource in [aws_lambda_function.rotation, aws_cloudwatch_log_group.function, aws_iam_role.function[0]] :
      resource.tags == tomap({ team = "platform" })
    ])
    error_message = "The tags do not reach every resource that can have them."
  }
}

run "the_outputs_have_the_keys_of_the_caller" {
  variables {
    secrets = {
      app   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
      other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf"
    }
  }

  assert {
    condition     = toset(keys(output.rotation_ids)) == toset(["app", "other"])
    error_message = "The rotations must have the keys of secrets."
  }
  assert {
    condition     = output.function_name == "app" && output.role_name == "app" && output.log_group_name == "/aws/lambda/app"
    error_message = "The names must be made of the name."
  }
  assert {
    condition     = output.package_hash == aws_lambda_layer_version.layer["code"].code_sha256
    error_message = "The hash must be that of the code which runs."
  }
  assert {
    condition     = aws_lambda_permission.secrets_manager.source_account == "123456789012"
    error_message = "Only Secrets Manager of this account may call the function."
  }
}

run "an_access_key_may_have_other_names" {
  command = plan

  variables {
    keys   = ["secret", "id"]
    target = { type = "iam_access_key", settings = { user_arn = "arn:aws:iam::123456789012:user/app", access_key_id_key = "id", secret_access_key_key = "secret" } }
  }

  assert {
    condition     = aws_lambda_function.rotation.environment[0].variables.SECRET_KEYS == jsonencode(["secret", "id"])
    error_message = "The keys that the settings name are the ones to rotate."
  }
}

run "the_caller_s_environment_variables_stand_beside_those_of_the_module" {
  command = plan

  variables {
    exclude_characters = ""
    function           = { environment = { HTTPS_PROXY = "http://proxy.example.com:3128", NO_PROXY = ".amazonaws.com" } }
  }

  assert {
    condition = aws_lambda_function.rotation.environment[0].variables == tomap({
      EXCLUDE_CHARACTERS = "", HTTPS_PROXY = "http://proxy.example.com:3128", NO_PROXY = ".amazonaws.com"
    })
    error_message = "The function's environment is ${jsonencode(aws_lambda_function.rotation.environment[0].variables)}."
  }
}

run "a_role_that_exists_is_used_and_the_policy_that_it_needs_is_an_output" {
  command = plan

  variables {
    role = { arn = "arn:aws:iam::123456789012:role/team/rotation" }
  }

  assert {
    condition = (
      aws_lambda_function.rotation.role == "arn:aws:iam::123456789012:role/team/rotation" &&
      output.role_name == "rotation" &&
      length(aws_iam_role.function) == 0 && length(aws_iam_role_policy.function) == 0
    )
    error_message = "The module must make no role."
  }
  assert {
    condition     = jsondecode(output.role_policy).Statement[0].Sid == "RotateSecrets"
    error_message = "The policy must be an output."
  }
}

run "sensitive_arns_are_no_secrets" {
  command = plan

  module {
    source = "./tests/fixtures/sensitive"
  }

  assert {
    condition     = output.rotations == toset(["app"])
    error_message = "The secret must rotate."
  }
}
