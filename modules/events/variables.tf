variable "name" {
  description = "Beginning of the names of the rules and of the queue for dead letters."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,48}$", var.name))
    error_message = "name is ${jsonencode(var.name)}; allowed are 1 to 48 letters, digits, hyphens and underscores."
  }
}

variable "secrets" {
  description = "ARNs of the secrets whose events count. They must fit into an event pattern of 2048 characters, about 20 of them. Null: see `name_prefixes`."
  type        = list(string)
  default     = null
}

variable "name_prefixes" {
  description = "Beginnings of the names of the secrets whose events count, if `secrets` is null. Null too: all secrets of the account and region."
  type        = list(string)
  default     = null

  validation {
    condition     = var.name_prefixes == null || var.secrets == null
    error_message = "name_prefixes and secrets are both set. Set one of them: names by their beginning, or ARNs."
  }
}

variable "on_success" {
  description = <<-EOT
    Whom to tell when a secret has a new AWSCURRENT value: a name of your choice => the target. That is so after a rotation, and also when somebody puts a value or moves AWSCURRENT back.
    - `arn`: of a Lambda function, SQS queue, SNS topic or Step Functions state machine.
    - `function_name`: the function's name, if it is one. EventBridge is then allowed to invoke it; queues and topics need a policy of their own.
    - `role_arn`: the role with which a state machine is started.
    - `input_paths`, `input_template`: what the target gets instead of the event, as of `aws_cloudwatch_event_target`.
    - `retries`, `maximum_age`: how often, and for how many seconds, an event is tried that could not be delivered.
  EOT
  type = map(object({
    arn            = string
    function_name  = optional(string)
    role_arn       = optional(string)
    input_paths    = optional(map(string))
    input_template = optional(string)
    retries        = optional(number, 24)
    maximum_age    = optional(number, 3600)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = length(var.on_success) <= 5
    error_message = "on_success has ${length(var.on_success)} targets; EventBridge allows 5 for a rule. Let one of them be a topic."
  }

  # They are names of targets, and parts of those of permissions.
  validation {
    condition     = alltrue([for key in keys(var.on_success) : can(regex("^[0-9A-Za-z_-]{1,39}$", key))])
    error_message = "on_success: a name has 1 to 39 letters, digits, hyphens and underscores: ${jsonencode([for key in keys(var.on_success) : key if !can(regex("^[0-9A-Za-z_-]{1,39}$", key))])}."
  }

  validation {
    condition     = alltrue([for target in var.on_success : can(split(":", target.arn)[2]) && (try(split(":", target.arn)[2], "") != "states" || target.role_arn != null)])
    error_message = "on_success: arn must be the ARN of the target, and a state machine needs role_arn, a role that may start it: ${join(", ", [for key, target in var.on_success : key if !(can(split(":", target.arn)[2]) && (try(split(":", target.arn)[2], "") != "states" || target.role_arn != null))])}."
  }

  validation {
    condition     = alltrue([for target in var.on_success : target.input_paths == null || target.input_template != null])
    error_message = "on_success has input_paths without input_template: ${join(", ", [for key, target in var.on_success : key if target.input_paths != null && target.input_template == null])}."
  }

  validation {
    condition     = alltrue([for target in var.on_success : target.retries >= 0 && target.retries <= 185 && target.maximum_age >= 60 && target.maximum_age <= 86400])
    error_message = "on_success: retries must be from 0 to 185, and maximum_age from 60 to 86400 seconds: ${join(", ", [for key, target in var.on_success : key if !(target.retries >= 0 && target.retries <= 185 && target.maximum_age >= 60 && target.maximum_age <= 86400)])}."
  }
}

variable "on_failure" {
  description = "ARNs of SNS topics or SQS queues that get the events RotationFailed and RotationAbandoned, by a name of your choice. AWS publishes them only if a CloudTrail trail logs management events in the region. Each needs a policy that lets `events.amazonaws.com` in."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.on_failure) <= 5
    error_message = "on_failure has ${length(var.on_failure)} targets; EventBridge allows 5 for a rule."
  }
}

variable "dead_letter_queue_arn" {
  description = "ARN of an SQS queue for events that could not be delivered. Its policy must let `events.amazonaws.com` send. Null: the module makes one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that the module makes."
  type        = map(string)
  default     = {}
  nullable    = false
}
