# When the secrets rotate. Secrets Manager checks the rest of a schedule at apply, before it changes anything
# (docs/decisions/0012-aws-checks-schedules.md).

variable "schedule" {
  description = <<-EOT
    When the secrets rotate. Either `days` or `expression`.
    - `days`: the number of days between two rotations.
    - `expression`: `rate(12 hours)`, `rate(30 days)` or `cron(0 8 1 * ? *)`, in UTC, at most every 4 hours.
    - `duration`: length of the rotation window in whole hours, such as `3h`.
    - `spread_hours`: hours (UTC) over which a fleet is spread, for an expression with `{hour}`: `cron(0 {hour} ? * MON-THU *)`. Each secret gets one of them by a hash of its name, the same at every plan.
  EOT
  type = object({
    days       = optional(number)
    expression = optional(string)
    duration   = optional(string)

    spread_hours = optional(list(number))

    rotate_immediately = optional(bool) # where it was before: dropped without a message, it would rotate at once
  })
  default  = { days = 30 }
  nullable = false

  validation {
    condition     = var.schedule.days != null || var.schedule.expression != null
    error_message = "schedule has neither days nor expression. Set one of them, for example schedule = { days = 30 }."
  }

  validation {
    condition     = var.schedule.days == null || var.schedule.expression == null
    error_message = "schedule has both days and expression. Set only one of them."
  }

  validation {
    condition     = (var.schedule.spread_hours == null) == !can(regex("\\{hour\\}", coalesce(var.schedule.expression, "-")))
    error_message = "schedule.expression is ${jsonencode(var.schedule.expression)} and schedule.spread_hours is ${jsonencode(var.schedule.spread_hours)}. {hour} in the expression and spread_hours belong together: set both, for example expression = \"cron(0 {hour} ? * MON-THU *)\" and spread_hours = [1, 2, 3, 4], or neither."
  }

  validation {
    condition     = var.schedule.spread_hours == null ? true : length(var.schedule.spread_hours) > 0 && alltrue([for hour in var.schedule.spread_hours : contains(range(24), hour)])
    error_message = "schedule.spread_hours is ${jsonencode(var.schedule.spread_hours)}; allowed are whole numbers from 0 to 23, at least one."
  }

  validation {
    condition     = var.schedule.rotate_immediately == null
    error_message = "schedule.rotate_immediately is a variable of its own. Set rotate_immediately = ${coalesce(var.schedule.rotate_immediately, false)} beside schedule."
  }

  validation {
    condition     = can(regex("^(rate\\(\\d+ (hour|day)s?\\)|cron\\(\\S+( +\\S+){5}\\))$", coalesce(var.schedule.expression, "rate(1 day)")))
    error_message = "schedule.expression is ${jsonencode(var.schedule.expression)}; allowed are rate(<number> hours), rate(<number> days) and cron(<minutes> <hours> <day of month> <month> <day of week> <year>)."
  }
}

# A variable of its own, and not an attribute of schedule: Terraform drops a misspelled attribute without a message.
variable "rotate_immediately" {
  description = "Whether a secret also rotates at once when its rotation is created or its schedule changes. False: it waits for the schedule, and AWS only runs the step testSecret."
  type        = bool
  default     = true
  nullable    = false
}

# A pause, such as a change freeze. The name is that of the provider's own argument.
variable "enable_rotation" {
  description = "Whether the secrets rotate. False turns rotation off and keeps all else. To turn it on again is to create the rotations anew: with `rotate_immediately` every secret then rotates at once."
  type        = bool
  default     = true
  nullable    = false
}
