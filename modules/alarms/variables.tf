variable "function_name" {
  description = "Name of the rotation function whose secrets are watched. It may be any function."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.function_name))
    error_message = "function_name is ${jsonencode(var.function_name)}; allowed is the name of a function, not its ARN: 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "watcher" {
  description = <<-EOT
    The function that looks at the secrets on a schedule: one of this module, for its step `watch`.
    - `name`, `arn`: of that function. Its role needs `secretsmanager:ListSecrets` on `*`.
    - `function_arn`: of the function that is watched, if that is another one. The role of the watcher then also needs
      `secretsmanager:ListSecretVersionIds` on its secrets.
    Null: the function is not watched, and only the alarms on Lambda's own metrics are made.
  EOT
  type = object({
    name         = string
    arn          = string
    function_arn = optional(string)
  })
  default = null
}

variable "alarm_actions" {
  description = "ARNs of the SNS topics that alarms notify. A topic encrypted by the key `alias/aws/sns` gets nothing: CloudWatch cannot use that key."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.alarm_actions) > 0
    error_message = "alarm_actions is empty, so the alarms would notify nobody. Give the ARN of at least one SNS topic."
  }
}

variable "ok_actions" {
  description = "ARNs of the SNS topics that are notified when an alarm returns to OK."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "interval_hours" {
  description = "Hours between two looks at the secrets."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains(range(1, 25), var.interval_hours)
    error_message = "interval_hours is ${var.interval_hours}; allowed are whole numbers from 1 to 24."
  }
}

variable "dead_letter_queues" {
  description = "Names of queues for dead letters that get an alarm: a name of your choice, known at plan => the queue's name."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "tags" {
  description = "Tags of the alarms and of the schedule."
  type        = map(string)
  default     = {}
  nullable    = false
}
