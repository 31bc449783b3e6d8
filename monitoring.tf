# Alarms and events: two modules that also serve functions that are not of this one.

locals {
  has_events = length(var.on_success) > 0 || try(var.alarms.events, false)
}

module "alarms" {
  source = "./modules/alarms"
  count  = var.alarms == null ? 0 : 1

  function_name      = aws_lambda_function.rotation.function_name
  watcher            = { name = aws_lambda_function.rotation.function_name, arn = aws_lambda_function.rotation.arn }
  alarm_actions      = var.alarms.alarm_actions
  ok_actions         = var.alarms.ok_actions
  interval_hours     = var.alarms.interval_hours
  dead_letter_queues = local.has_events ? { events = module.events[0].dead_letter_queue_name } : {}
  tags               = var.tags
}

module "events" {
  source = "./modules/events"
  count  = local.has_events ? 1 : 0

  name       = substr(var.name, 0, 48)
  secrets    = values(local.secrets)
  on_success = var.on_success
  on_failure = try(var.alarms.events, false) ? { for index, arn in var.alarms.alarm_actions : tostring(index) => arn } : {}
  tags       = var.tags
}
