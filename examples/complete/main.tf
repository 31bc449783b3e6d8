terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

provider "aws" {}

variable "name" {
  description = "First part of the names of everything."
  type        = string
  default     = "rotation-complete"
}

variable "subnet_ids" {
  description = "Subnets of the function. None: no VPC."
  type        = list(string)
  default     = []
}

variable "security_group_ids" {
  description = "Security groups of the function."
  type        = list(string)
  default     = []
}

resource "aws_kms_key" "this" {
  #checkov:skip=CKV2_AWS_64:The default key policy leaves the key to IAM, and the module grants the function what it needs.
  description             = "Encrypts the secrets of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

resource "aws_secretsmanager_secret" "app" {
  for_each = toset(["billing", "shipping"])

  name                    = "${var.name}/${each.key}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

# The first values, with all keys. Those that rotate are placeholders until the first rotation.
resource "aws_secretsmanager_secret_version" "first" {
  for_each = aws_secretsmanager_secret.app

  secret_id = each.value.id
  secret_string_wo = jsonencode({
    url        = "https://${each.key}.example.com"
    username   = each.key
    password   = "to-be-rotated"
    api_token  = "to-be-rotated"
    public_key = "to-be-rotated"
    client_key = "to-be-rotated"
  })
  secret_string_wo_version = 1 # never raise it: that would make the first value current again

  version_stages = ["AWSCURRENT", "FIRST"] # examples/key-value says why

  lifecycle {
    ignore_changes = [version_stages] # rotation moves AWSCURRENT
  }
}

# Not encrypted by alias/aws/sns: CloudWatch cannot use that key, and its alarms would get lost.
resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:An alarm says which function failed and holds no value; a customer managed key is yours to add.
  name = "${var.name}-alarms"
}

data "aws_iam_policy_document" "boundary" {
  statement {
    #checkov:skip=CKV_AWS_107:A boundary grants nothing; it limits what the role's own policy may grant.
    #checkov:skip=CKV_AWS_109:A boundary grants nothing; it limits what the role's own policy may grant.
    #checkov:skip=CKV_AWS_111:A boundary grants nothing; it limits what the role's own policy may grant.
    #checkov:skip=CKV_AWS_356:A boundary grants nothing; it limits what the role's own policy may grant.
    #checkov:skip=CKV_AWS_108:A boundary grants nothing; it limits what the role's own policy may grant.
    actions   = ["secretsmanager:*", "kms:*", "logs:*", "xray:*", "ec2:*", "cloudwatch:*", "sns:Publish"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "boundary" {
  name   = "${var.name}-boundary"
  policy = data.aws_iam_policy_document.boundary.json
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { for key, version in aws_secretsmanager_secret_version.first : key => version.secret_id }

  # What rotates, and what new values look like.
  keys               = ["password", "api_token", "client_key"]
  exclude_characters = "/@\"'\\ `$"
  password = {
    length                     = 40
    classes                    = ["lowercase", "uppercase", "numbers", "punctuation"]
    require_each_included_type = true
  }
  generators = {
    api_token  = { type = "hex", bytes = 32 }
    client_key = { type = "ec", curve = "P-256", kms_key_arn = aws_kms_key.this.arn, public_key = "public_key" }
  }

  # When.
  schedule           = { expression = "cron(0 3 ? * MON-THU *)", duration = "3h" }
  rotate_immediately = true

  # Who hears of a rotation that fails.
  alarms = {
    alarm_actions  = [aws_sns_topic.alarms.arn]
    ok_actions     = [aws_sns_topic.alarms.arn]
    interval_hours = 1
  }

  # The function.
  function = {
    runtime              = "python3.13"
    architecture         = "arm64"
    memory_size          = 512
    timeout              = 120
    environment          = { NO_PROXY = "169.254.169.254" }
    log_level            = "INFO"
    tracing              = "Active"
    reserved_concurrency = 10
    kms_key_arn          = aws_kms_key.this.arn
  }
  network = length(var.subnet_ids) == 0 ? null : {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }
  logs = {
    retention_in_days = 365
    skip_destroy      = false
  }

  # Permissions.
  kms_key_arns = [aws_kms_key.this.arn]
  role = {
    name                 = "${var.name}-role"
    path                 = "/rotation/"
    permissions_boundary = aws_iam_policy.boundary.arn
    statements = {
      Announce = {
        actions   = ["sns:Publish"]
        resources = ["arn:aws:sns:*:*:${var.name}"]
      }
    }
  }

  tags = { Application = "rotation" }
}

output "secret_arns" {
  description = "ARNs of the secrets, by name."
  value       = { for key, secret in aws_secretsmanager_secret.app : key => secret.arn }
}

output "function_name" {
  description = "Name of the function that rotates them."
  value       = module.rotation.function_name
}
