# When the secrets rotate. Secrets Manager checks the rest of a schedule at apply, before it changes anything
# (docs/decisions/0012-aws-checks-schedules.md).

variable "schedule" {
  description = <<-EOT
    When the secrets rotate. Either `days` or `expression`.
    - `days`: the number of days between two rotations.
    - `expression`: `rate(12 hours)`, `rate(30 days)` or `cron(0 8 1 * ? *)`, in UTC, at most every 4 hours.
    - `duration`: length of the rotation window in whole hours, such as `3h`.
    - `rotate_immediately`: also rotate when the schedule is created or changed; otherwise only the target is tested then.
  EOT
  type = object({
    days               = optional(number)
    expression         = optional(string)
    duration           = optional(string)
    rotate_immediately = optional(bool, true)
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
    condition     = can(regex("^(rate\\(\\d+ (hour|day)s?\\)|cron\\(\\S+( +\\S+){5}\\))$", coalesce(var.schedule.expression, "rate(1 day)")))
    error_message = "schedule.expression is ${jsonencode(var.schedule.expression)}; allowed are rate(<number> hours), rate(<number> days) and cron(<minutes> <hours> <day of month> <month> <day of week> <year>)."
  }
}
