# The policies, statement by statement.

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
  name    = "app"
  secrets = { app = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
}

run "three_statements_are_enough_and_name_the_secrets" {
  command = plan

  variables {
    secrets = {
      app   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
      other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf"
    }
  }

  assert {
    condition = aws_iam_role_policy.function[0].policy == jsonencode({
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "RotateSecrets"
          Effect = "Allow"
          Action = [
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
            "secretsmanager:ListSecretVersionIds",
          ]
          Resource = [
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf",
          ]
          Condition = {
            StringEquals = {
              "secretsmanager:resource/AllowRotationLambdaArn" = "arn:aws:lambda:eu-central-1:123456789012:function:app"
            }
          }
        },
        {
          Sid      = "GeneratePasswords"
          Effect   = "Allow"
          Action   = "secretsmanager:GetRandomPassword"
          Resource = "*"
        },
        {
          Sid      = "UseOwnLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:FilterLogEvents", "logs:PutLogEvents"]
          Resource = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app:*"]
        },
      ]
    })
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
  assert {
    condition = jsondecode(aws_iam_role.function[0].assume_role_policy).Statement == {
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }
    error_message = "Only Lambda may assume the role; the policy is ${aws_iam_role.function[0].assume_role_policy}."
  }
}

run "every_feature_grants_what_it_needs_and_no_more" {
  command = plan

  variables {
    keys         = ["password", "key"]
    kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
    generators   = { key = { type = "ec", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/2", public_key = "public" } }
    target       = { type = "redis", settings = { admin_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin-AbCdEf", allowed_usernames = "app_*" } }
    network      = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    function     = { tracing = "Active", layers = ["arn:aws:lambda:eu-central-1:123456789012:layer:drivers:1"] }
    role = {
      statements = {
        CallIt = {
          actions    = ["execute-api:Invoke"]
          resources  = ["arn:aws:execute-api:eu-central-1:123456789012:abc/*"]
          conditions = { Bool = { "aws:SecureTransport" = ["true"] } }
        }
      }
    }
  }

  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Sid => statement.Action } == {
      RotateSecrets = [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "secretsmanager:ListSecretVersionIds",
      ]
      GeneratePasswords  = "secretsmanager:GetRandomPassword"
      UseOwnLog          = ["logs:CreateLogStream", "logs:FilterLogEvents", "logs:PutLogEvents"]
      UseSecretKeys      = ["kms:Decrypt", "kms:GenerateDataKey"]
      DescribeSecretKeys = "kms:DescribeKey"
      GenerateKeyPairs   = ["kms:GenerateDataKeyPair"]
      ReadAdminSecret    = ["secretsmanager:GetSecretValue"]
      AttachToNetwork = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      NetworkIsForLambdaOnly = ["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses", "ec2:DescribeSubnets"]
      WriteTraces            = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      CallIt                 = ["execute-api:Invoke"]
    }
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Sid => statement.Resource } == {
      RotateSecrets          = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
      GeneratePasswords      = "*"
      UseOwnLog              = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app:*"]
      UseSecretKeys          = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
      DescribeSecretKeys     = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
      GenerateKeyPairs       = ["arn:aws:kms:eu-central-1:123456789012:key/2"]
      ReadAdminSecret        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin-AbCdEf"
      AttachToNetwork        = "*"
      NetworkIsForLambdaOnly = "*"
      WriteTraces            = "*"
      CallIt                 = ["arn:aws:execute-api:eu-central-1:123456789012:abc/*"]
    }
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Sid => statement.Condition
      if can(statement.Condition)
      } == {
      RotateSecrets          = { StringEquals = { "secretsmanager:resource/AllowRotationLambdaArn" = "arn:aws:lambda:eu-central-1:123456789012:function:app" } }
      UseSecretKeys          = { StringLike = { "kms:EncryptionContext:SecretARN" = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"], "kms:ViaService" = "secretsmanager.eu-central-1.*" } }
      DescribeSecretKeys     = { StringLike = { "kms:ViaService" = "secretsmanager.eu-central-1.*" } }
      NetworkIsForLambdaOnly = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-central-1:123456789012:function:app" } }
      CallIt                 = { Bool = { "aws:SecureTransport" = ["true"] } }
    }
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
  assert {
    condition = toset([
      for statement in jsondecode(aws_iam_role_policy.function[0].policy).Statement : statement.Sid if statement.Effect == "Deny"
    ]) == toset(["NetworkIsForLambdaOnly"])
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "a_target_that_only_reads_is_granted_nothing_for_a_setting_that_is_absent" {
  command = plan

  variables {
    target   = { type = "redis", settings = { host = "cache" } }
    function = { layers = ["arn:aws:lambda:eu-central-1:123456789012:layer:drivers:1"] }
    network  = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = !contains(jsondecode(aws_iam_role_policy.function[0].policy).Statement[*].Sid, "ReadAdminSecret")
    error_message = "Without admin_secret_arn there is nothing to grant."
  }
}

run "secrets_of_another_state_are_added_to_the_list" {
  command = plan

  variables {
    role = { secret_arns = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/*"] }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.function[0].policy).Statement[0].Resource == [
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf",
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/*",
    ]
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "twenty_secrets_are_listed" {
  command = plan

  variables {
    secrets = { for number in range(20) : "s${number}" => "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s${number}-AbCdEf" }
  }

  assert {
    condition     = length(jsondecode(aws_iam_role_policy.function[0].policy).Statement[0].Resource) == 20
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "of_more_secrets_the_condition_decides" {
  command = plan

  variables {
    secrets = { for number in range(21) : "s${number}" => "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s${number}-AbCdEf" }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.function[0].policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "of_secrets_with_long_names_the_condition_decides" {
  command = plan

  variables {
    secrets = { for number in range(8) : "s${number}" => "arn:aws:secretsmanager:eu-central-1:123456789012:secret:${join("", [for _ in range(500) : "s"])}${number}-AbCdEf" }
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.function[0].policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "of_a_function_without_secrets_the_condition_decides" {
  command = plan

  variables {
    secrets = {}
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.function[0].policy).Statement[0].Resource == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:*"
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "in_another_partition_every_arn_is_of_it" {
  command = plan

  override_data {
    target = data.aws_caller_identity.current
    values = { account_id = "123456789012", arn = "arn:aws-cn:iam::123456789012:user/test" }
  }
  override_data {
    target = data.aws_service_principal.lambda
    values = { region = "cn-north-1" }
  }
  variables {
    secrets = { app = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app-AbCdEf" }
  }

  assert {
    condition     = length(regexall("arn:aws:", aws_iam_role_policy.function[0].policy)) == 0 && length(regexall("arn:aws-cn:[a-z]+:cn-north-1:123456789012:", aws_iam_role_policy.function[0].policy)) == 4
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
}

run "the_actions_of_described_requests_are_allowed_on_their_resources" {
  command = plan

  variables {
    keys = ["password"]
    target = {
      type = "calls"
      calls = {
        set = [
          { action = "opensearch:UpdateDomainConfig", parameters = { DomainName = "app" } },
          { action = "events:DescribeConnection", parameters = { Name = "app" } },
        ]
        test = { url = "https://api.example.com/me", auth = "bearer" }
      }
      resource_arns = ["arn:aws:es:eu-central-1:123456789012:domain/app"]
      iam_actions   = { "opensearch:UpdateDomainConfig" = "es:UpdateDomainConfig" }
    }
  }

  assert {
    condition = contains(jsondecode(aws_iam_role_policy.function[0].policy).Statement, {
      Sid      = "SendCalls"
      Effect   = "Allow"
      Action   = ["es:UpdateDomainConfig", "events:DescribeConnection"]
      Resource = ["arn:aws:es:eu-central-1:123456789012:domain/app"]
    })
    error_message = "The policy is ${aws_iam_role_policy.function[0].policy}."
  }
  assert {
    condition     = jsondecode(aws_lambda_function.rotation.environment[0].variables.TARGET_CALLS).test.auth == "bearer"
    error_message = "The function gets the requests as JSON."
  }
}

run "lambda_assumes_the_role_for_this_account_only_where_that_is_asked_for" {
  command = plan

  variables {
    role = { source_account = true }
  }

  assert {
    condition     = jsondecode(aws_iam_role.function[0].assume_role_policy).Statement.Condition == { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    error_message = "The trust policy must name the account."
  }
}
