locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = try(regex("^arn:([a-z-]+):", data.aws_caller_identity.current.arn)[0], "aws")
  # Of data.aws_region, `id` and `name` are deprecated in 6.x, and `region` is missing in 5.x.
  region = data.aws_service_principal.lambda.region
  # In a caller's own tests under mock_provider these are random words, with which nothing can be compared.
  mocked = !can(regex("^[0-9]{12} [a-z]+(-[a-z]+)+-[0-9]$", "${local.account_id} ${local.region}"))

  # Made of the name and not read from the resources: the policy is then known at plan, and the function can depend on
  # it without a cycle.
  function_arn  = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${var.name}"
  log_group_arn = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${var.name}"

  # Which secrets the policy names (docs/security.md). Listed while they are few: a policy has a limit, and a long one is
  # read by no one. Where none is known, or others are many, the condition AllowRotationLambdaArn alone decides: it is
  # true for exactly the secrets whose rotation function this is.
  known_secrets       = concat(values(local.secrets), var.role.secret_arns)
  lists_secrets       = length(local.known_secrets) > 0 && length(local.known_secrets) <= 20 && length(join("", local.known_secrets)) <= 4000
  secret_arns         = local.lists_secrets ? sort(local.known_secrets) : [local.any_secret]
  via_secrets_manager = "secretsmanager.${local.region}.*" # China has another domain
  any_secret          = "arn:${local.partition}:secretsmanager:${local.region}:${local.account_id}:secret:*"

  # sid => what the generators in use are granted; several of one sid share a statement.
  generator_permissions = merge([
    for generator in var.generators : {
      for permission in local.catalogue.generators[generator.type].permissions : permission.sid => permission
    }
  ]...)

  # One statement for each reason.
  module_statements = concat(
    [
      {
        Sid    = "RotateSecrets"
        Effect = "Allow"
        Action = [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
          # A target looks for a working value among the versions without a label, diagnose for the age of AWSPENDING.
          "secretsmanager:ListSecretVersionIds",
        ]
        Resource  = try(one(local.secret_arns), local.secret_arns)
        Condition = { StringEquals = { "secretsmanager:resource/AllowRotationLambdaArn" = local.function_arn } }
      },
      {
        Sid      = "GeneratePasswords"
        Effect   = "Allow"
        Action   = "secretsmanager:GetRandomPassword"
        Resource = "*" # the action has no resource, so no condition on one either
      },
      {
        Sid      = "UseOwnLog" # diagnose reads what the steps of a rotation said
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:FilterLogEvents", "logs:PutLogEvents"]
        Resource = [local.log_group_arn, "${local.log_group_arn}:*"] # FilterLogEvents is checked in both forms
      },
    ],
    var.alarms == null ? [] : [
      {
        Sid      = "ListSecrets" # watch: the action has no resource, and no filter for a function
        Effect   = "Allow"
        Action   = "secretsmanager:ListSecrets"
        Resource = "*"
      },
    ],
    [for statement in [
      {
        Sid      = "UseSecretKeys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arns
        # By Secrets Manager alone, and for these secrets.
        Condition = {
          StringLike = {
            "kms:EncryptionContext:SecretARN" = local.secret_arns
            "kms:ViaService"                  = local.via_secrets_manager
          }
        }
      },
      {
        Sid       = "DescribeSecretKeys" # apart: DescribeKey has no encryption context and would never match
        Effect    = "Allow"
        Action    = "kms:DescribeKey"
        Resource  = var.kms_key_arns
        Condition = { StringLike = { "kms:ViaService" = local.via_secrets_manager } }
      },
    ] : statement if length(var.kms_key_arns) > 0],
    [
      for sid, permission in local.generator_permissions : {
        Sid    = sid
        Effect = "Allow"
        Action = permission.actions
        Resource = distinct([
          for generator in var.generators : generator[permission.resource]
          if contains(local.catalogue.generators[generator.type].permissions[*].sid, sid)
        ])
      }
    ],
    [
      for permission in local.target.permissions : {
        Sid      = permission.sid
        Effect   = "Allow"
        Action   = permission.actions
        Resource = var.target.settings[permission.resource]
      } if contains(keys(var.target.settings), permission.resource)
    ],
    [for statement in [
      {
        Sid      = "SendCalls"
        Effect   = "Allow"
        Action   = local.call_iam_actions
        Resource = var.target.resource_arns
      },
    ] : statement if length(local.call_actions) > 0],
    [for statement in [
      {
        Sid    = "AttachToNetwork"
        Effect = "Allow"
        Action = [
          "ec2:AssignPrivateIpAddresses",
          "ec2:CreateNetworkInterface",
          "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeSubnets",
          "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = "*" # Lambda asks for these on "*" when it makes the interfaces
      },
      {
        Sid       = "NetworkIsForLambdaOnly" # Lambda uses the role for this; the code in the function has no need to
        Effect    = "Deny"
        Action    = ["ec2:*NetworkInterface*", "ec2:*PrivateIpAddresses", "ec2:DescribeSubnets"]
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
      },
    ] : statement if var.network != null],
    [for statement in [
      {
        Sid      = "WriteTraces"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*" # the actions have no resource
      },
    ] : statement if var.function.tracing == "Active"],
  )

  caller_statements = [
    for sid, statement in var.role.statements : merge(
      { Sid = sid, Effect = statement.effect, Action = statement.actions, Resource = statement.resources },
      statement.conditions == null ? {} : { Condition = statement.conditions },
    )
  ]

  role_arn = var.role.arn == null ? one(aws_iam_role.function[*].arn) : var.role.arn

  role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.module_statements, local.caller_statements)
  })
  role_policy_size = length(local.role_policy) # apart, so that the message of a failure does not print the policy
}

# The deployer and other administrators stay able to change or remove the policy itself.
locals {
  secret_policy_exempts = {
    DenyReading = [["secretsmanager:GetSecretValue"], concat(var.secret_policy.readers, var.secret_policy.writers)]
    DenyWriting = [
      ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret", "secretsmanager:UpdateSecretVersionStage"],
      var.secret_policy.writers,
    ]
  }
  secret_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for sid, exempt in local.secret_policy_exempts : {
      Sid       = sid
      Effect    = "Deny"
      Principal = "*"
      Action    = exempt[0]
      Resource  = "*"
      Condition = { ArnNotLike = { "aws:PrincipalArn" = concat([local.role_arn], exempt[1]) } }
    }]
  })
}

data "aws_caller_identity" "current" {}
data "aws_service_principal" "lambda" {
  service_name = "lambda"
}

resource "aws_iam_role" "function" {
  count = var.role.arn == null ? 1 : 0

  name                 = coalesce(var.role.name, var.name)
  path                 = var.role.path
  permissions_boundary = var.role.permissions_boundary
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = merge(
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "lambda.amazonaws.com" }
      },
      # Not by default: AWS does not document that Lambda sends the key, and without it no function starts.
      !var.role.source_account ? {} : { Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } } },
    )
  })
}

resource "aws_iam_role_policy" "function" {
  count = var.role.arn == null ? 1 : 0

  name   = "rotation"
  role   = aws_iam_role.function[0].name
  policy = local.role_policy

  lifecycle {
    # A role that is replaced under its name, as by another path, has lost its policy.
    replace_triggered_by = [aws_iam_role.function[0].unique_id]
  }
}
