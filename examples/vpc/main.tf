terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.76"
    }
  }
}

provider "aws" {}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:The example takes the first two zones of any region.
  state = "available"
}

variable "name" {
  description = "Name of the secret, of the function that rotates it, and of the VPC."
  type        = string
  default     = "rotation-vpc"
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs cost money; they are yours to add to a VPC that stays.
  cidr_block           = "10.0.0.0/16"
  enable_dns_support   = true # both are needed for the endpoint's private name
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# The group that a new VPC has by itself, without its rules: nothing is to use it.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "this" {
  count = 2

  vpc_id            = aws_vpc.this.id
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
  availability_zone = data.aws_availability_zones.available.names[count.index]
  tags              = { Name = var.name }
}

resource "aws_security_group" "function" {
  #checkov:skip=CKV2_AWS_5:It is attached to the function, in the module.
  name        = "${var.name}-function"
  description = "The rotation function"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "endpoint" {
  name        = "${var.name}-endpoint"
  description = "The endpoint of Secrets Manager"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_egress_rule" "function" {
  security_group_id            = aws_security_group.function.id
  description                  = "HTTPS to the endpoint. Add the service that the function rotates a password of."
  referenced_security_group_id = aws_security_group.endpoint.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoint" {
  security_group_id            = aws_security_group.endpoint.id
  description                  = "HTTPS from the function"
  referenced_security_group_id = aws_security_group.function.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# The function's only way to Secrets Manager: the VPC has no internet access.
resource "aws_vpc_endpoint" "secrets_manager" {
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${split(":", aws_vpc.this.arn)[3]}.secretsmanager" # the region
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = aws_subnet.this[*].id
  security_group_ids  = [aws_security_group.endpoint.id]
}

resource "aws_secretsmanager_secret" "token" {
  name                    = var.name
  recovery_window_in_days = 0 # so that the example can be destroyed and made again at once
}

module "rotation" {
  source = "../.."

  name    = var.name
  secrets = { token = aws_secretsmanager_secret.token.arn }

  # Named by what lets the function reach Secrets Manager: the first rotation begins at once, and needs the way to it.
  # (depends_on on the module would also do, but delays what it reads: every plan would be harder to read.)
  network = {
    subnet_ids         = aws_vpc_endpoint.secrets_manager.subnet_ids
    security_group_ids = [aws_vpc_security_group_egress_rule.function.security_group_id]
  }
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.token.arn
}

output "function_name" {
  description = "Name of the function that rotates it."
  value       = module.rotation.function_name
}
