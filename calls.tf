# The described requests of target.calls (docs/calls.md), checked against the catalogue. The function makes the same
# checks when it starts.
#
# Not validations of var.target: a validation can read no local that is made of its variable, and each of these rules
# would have to be written out twice. What a user wrote is walked by its names, which are known at plan; a rule about a
# value waits for apply when that value is unknown, such as the URL of a resource that is to be made.

locals {
  call_rules = {
    for name, about in local.catalogue.calls.fields : name => {
      kind     = about.kind
      with     = about.with
      steps    = try(about.steps, keys(local.catalogue.calls.steps))
      required = try(about.required, [])
      pattern  = try("^(${join("|", about.allowed)})$", about.pattern, about.range == null ? "" : "^(0|[1-9][0-9]{0,8})$", "")
      least    = try(about.range[0], null)
      most     = try(about.range[1], null)
      allowed  = try(join(", ", about.allowed), "whole numbers from ${about.range[0]} to ${about.range[1]}", about.form, "any text")
      summary  = about.summary
    }
  }
  call_kinds  = ["url", "action", "target"]
  call_steps  = local.catalogue.calls.steps
  placeholder = "^\\s*((pending|current|retired|login|admin)(\\.[^|]+)?(\\|number)?|session(\\.(/[^|]*|header\\.[^.|]+|cookie\\.[^|]+|cookies))?(\\|number)?|rotation|mark|next|page(\\|zero)?|offset|expires(\\|(date|epoch))?)\\s*$"

  # A null step is left out: calls = { list = var.lists ? {...} : null }.
  given_calls = { for step, given in merge({}, var.target.calls) : step => given if given != null }

  # Each request, where it stands, and what its names say. flatten, since a step has one request or a list of them.
  requests = flatten([
    for step, given in local.given_calls : [
      for number, request in flatten([given]) : {
        place  = can(given[0]) ? "target.calls.${step}[${number}]" : "target.calls.${step}"
        step   = step
        fields = request
        names  = try(keys(request), [])
        kinds  = [for kind in local.call_kinds : kind if contains(try(keys(request), []), kind)]
      }
    ] if can(local.call_steps[step])
  ])

  # Rules about names.
  call_problems = concat(
    var.target.type == "calls" && !local.calls_given ? ["The target calls needs target.calls, which describes its requests: docs/calls.md"] : [],
    var.target.type != "calls" && local.calls_given ? ["target.calls is for the type calls; target.type is ${var.target.type}. Remove target.calls, or set type = \"calls\""] : [],
    local.lists_all && length(nonsensitive(var.secrets)) > 1 ? ["target.calls.list has all = true, so every item is taken for this secret's, and secrets has ${join(", ", keys(nonsensitive(var.secrets)))}. Call the module once for each, or use name"] : [],
    [
      for step in keys(local.given_calls) : "target.calls.${step} is unknown; allowed: ${join(", ", keys(local.call_steps))}"
      if !can(local.call_steps[step])
    ],
    [
      for step, about in local.call_steps : "target.calls.${step} must be ${about.most == 1 ? "one request" : "a request, or a list of one to ${about.most}"}"
      if contains(keys(local.given_calls), step) && try(length(flatten([local.given_calls[step]])) < 1 || length(flatten([local.given_calls[step]])) > about.most || (about.most == 1 && can(local.given_calls[step][0])), false)
    ],
    [for step, given in local.given_calls : "target.calls.${step} must be a request or a list of requests, not a list of lists" if can(given[0][0])],
    [for request in local.requests : "${request.place} must be an object with the fields of a request" if !can(keys(request.fields))],
    flatten([
      for request in local.requests : [
        for name in request.names : "${request.place}.${name} is unknown; allowed: ${join(", ", [
          for field, rule in local.call_rules : field if contains(rule.steps, request.step) && length(setsubtract(request.kinds, rule.with)) == 0
        ])}"
        if !can(local.call_rules[name])
      ]
    ]),
    [
      for request in local.requests : "${request.place} must have exactly one of ${join(", ", local.call_kinds)}; it has ${join(" and ", coalescelist(request.kinds, ["none"]))}"
      if can(keys(request.fields)) && length(request.kinds) != 1
    ],
    flatten([
      for request in local.requests : [
        for name in request.names : "${request.place}.${name} is not for a request with ${request.kinds[0]} in ${request.step}"
        if try(!contains(local.call_rules[name].steps, request.step) || !contains(local.call_rules[name].with, request.kinds[0]), false)
      ] if length(request.kinds) == 1
    ]),
    flatten([
      for request in local.requests : [
        for name, rule in local.call_rules : "${request.place} needs ${name}: ${rule.summary}"
        if contains(rule.required, request.step) && !contains(request.names, name)
      ]
    ]),
    [
      for request in local.requests : "${request.place} must have at most one of body, form, text"
      if length(setintersection(request.names, ["body", "form", "text"])) > 1
    ],
    [
      for request in local.requests : "${request.place} must have either name or all: which items are this secret's"
      if request.step == "list" && length(setintersection(request.names, ["name", "all"])) != 1
    ],
    flatten([
      for request in local.requests : [
        for key in try(keys(request.fields.values), []) : "${request.place}.values has ${jsonencode(key)}, which is not in keys (${jsonencode(coalesce(var.keys, [""]))}): what is stored there rotates"
        if !contains(coalesce(var.keys, [""]), key)
      ]
    ]),
    [
      for key in setsubtract(flatten([for request in local.requests : try(keys(request.fields.values), []) if request.step == "list"]), flatten([for request in local.requests : try(keys(request.fields.values), []) if request.step == "issue"])) :
      "target.calls.list.values has ${jsonencode(key)}, which target.calls.issue.values does not store"
      if contains(keys(local.given_calls), "issue")
    ],
    local.calls_given && !contains(keys(local.given_calls), "test") ? ["target.calls.test is missing: describe the request that succeeds only with a value that works"] : [],
    local.calls_given && length(setintersection(keys(local.given_calls), ["set", "issue"])) == 0 ? ["target.calls has neither set nor issue: describe what makes the service accept a new value"] : [],
    contains(keys(local.given_calls), "list") && length(setintersection(keys(local.given_calls), ["issue", "revoke"])) < 2 ? ["target.calls.list is for what issue makes and revoke ends: describe both, or remove it"] : [],
  )
  calls_given = length(local.given_calls) > 0

  # Every placeholder, with its place. Fields that are pointers into an answer have none.
  call_placeholders = flatten([
    for request in local.requests : [
      for name in request.names : [
        for found in regexall("\\{\\{(.*?)\\}\\}", jsonencode(request.fields[name])) : {
          place = "${request.place}.${name}"
          step  = request.step
          kinds = request.kinds
          text  = "{{${found[0]}}}"
          inner = found[0]
          root  = try(regex("^\\s*([a-z]+)", found[0])[0], "")
        }
      ] if !contains(["values", "items", "name", "created", "next"], name)
    ]
  ])

  # Every entry of an object in a request.
  call_entries = flatten([
    for request in local.requests : [
      for name in request.names : [
        for key, value in request.fields[name] : {
          place   = "${request.place}.${name}"
          name    = name
          kind    = local.call_rules[name].kind
          target  = try(tostring(request.fields.target), "")
          key     = key
          value   = value
          pointer = name == "values" ? try(tostring(value), "-") : key
        }
      ] if can(keys(request.fields[name])) && can(startswith(local.call_rules[name].kind, "object"))
    ]
  ])

  # The key that a placeholder without one means: {{login}}, or auth alone.
  call_ids       = flatten([for request in local.requests : keys(request.fields.values) if request.step == "list" && can(keys(request.fields.values))])
  retired_ids    = [for one in local.call_placeholders : trimspace(replace(one.inner, "/^\\s*retired\\./", "")) if one.root == "retired"]
  call_auth      = { basic = "password", bearer = "token" }
  call_value_key = length(coalesce(var.keys, [])) < 2 || contains(coalesce(var.keys, [""]), "password") || can(var.target.settings["password_key"]) || length(setsubtract(coalesce(var.keys, [""]), concat(local.call_ids, local.retired_ids))) == 1
  call_bare = concat(
    [for one in local.call_placeholders : "${one.place} has ${one.text}" if can(regex("^\\s*(pending|current|login|retired)(\\|number)?\\s*$", one.inner))],
    [
      for request in local.requests : "${request.place} has auth alone"
      if try(!contains(request.names, local.call_auth[request.fields.auth]), false) && (request.step == "test" || !contains(keys(var.target.settings), "admin_secret_arn"))
    ],
  )

  # Rules about values.
  call_value_problems = concat(
    local.call_value_key ? [] : [
      for bare in local.call_bare : "${bare}, and the secret has several keys that rotate: ${join(", ", coalesce(var.keys, []))}. Write the key, such as {{login.${coalesce(var.keys, [""])[0]}}}, or set target.settings.password_key"
    ],
    [
      for request in local.requests : "${request.place} must have exactly one of ${join(", ", local.call_kinds)}; ${request.kinds[0]} is null"
      if length(request.kinds) == 1 && try(request.fields[request.kinds[0]] == null, false)
    ],
    flatten([
      for request in local.requests : [
        for name, rule in local.call_rules : "${request.place} needs ${name}, which is null: ${rule.summary}"
        if contains(rule.required, request.step) && contains(request.names, name) && try(request.fields[name] == null, false)
      ]
    ]),
    length(local.call_actions) > 0 && length(var.target.resource_arns) == 0 ? ["target.calls has the actions ${join(", ", local.call_actions)}, and target.resource_arns is empty. Name the resources on which the function may call them"] : [],
    length(local.call_actions) == 0 && length(var.target.resource_arns) > 0 ? ["target.resource_arns is set, and target.calls has no action. Remove it"] : [],
    [
      for action in keys(var.target.iam_actions) : "target.iam_actions names ${action}, which no request of target.calls has. Actions: ${join(", ", coalescelist(local.call_actions, ["none"]))}"
      if !contains(local.call_actions, action)
    ],
    [
      for request in local.requests : "${request.place}.target is ${jsonencode(request.fields.target)}; allowed: ${join(", ", local.test_targets)}"
      if request.kinds == ["target"] && !contains(local.test_targets, try(request.fields.target, ""))
    ],
    [
      for target in local.call_test_targets : "target.calls.test is made by a target that needs the driver ${coalesce(target.driver, "none")}, and function.layers is empty. Build the layer with `make layer`, publish build/drivers.zip (aws_lambda_layer_version) and give its ARN in function.layers"
      if target.driver != null && length(var.function.layers) == 0 && var.package == null
    ],
    [
      for target in local.call_test_targets : "target.calls.test is made by a target that is reached inside a VPC: give network = { subnet_ids = [...], security_group_ids = [...] }"
      if target.needs_network && var.network == null
    ],
    flatten([
      for request in local.requests : [
        for name in request.names : "${request.place}.${name} is ${try(jsonencode(request.fields[name]), "of another type")} (allowed: ${local.call_rules[name].allowed})"
        if try(contains(["text", "number"], local.call_rules[name].kind), false) ? request.fields[name] != null && !(
          can(regex(local.call_rules[name].pattern, request.fields[name])) && try(tonumber(request.fields[name]) >= local.call_rules[name].least && tonumber(request.fields[name]) <= local.call_rules[name].most, true)
        ) : false
      ]
    ]),
    flatten([
      for request in local.requests : [
        for name in request.names : "${request.place}.${name} must be an object"
        if try(startswith(local.call_rules[name].kind, "object") && request.fields[name] != null, false) && !can(keys(request.fields[name]))
      ]
    ]),
    [
      for one in local.call_entries : "${one.place}: ${jsonencode(one.key)} must be text" if one.kind == "object" && !(one.value != null && can(tostring(one.value)))
    ],
    [
      for one in local.call_entries : "${one.place} has ${jsonencode(one.pointer)}, which is not a JSON pointer such as /result/id, ~ written ~0"
      if contains(["values", "match", "where"], one.name) && !can(regex("^(/([^~]|~[01])*)?$", one.pointer))
    ],
    [
      for one in local.call_entries : "${one.place} has the header ${jsonencode(one.key)}, which cannot be set"
      if one.name == "headers" && (!can(regex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", one.key)) || contains(["content-length", "transfer-encoding"], lower(one.key)))
    ],
    [
      for one in local.call_entries : "${one.place}: the header ${jsonencode(one.key)} has a line break, another control character, or one outside Latin-1"
      if one.name == "headers" && !can(regex("^[\\t\\x20-\\x7e\\x{a0}-\\x{ff}]*$", replace(one.value, "/\\{\\{.*?\\}\\}/", "")))
    ],
    [
      for request in local.requests : "${request.place}.all must be true" if contains(request.names, "all") && !try(request.fields.all == true, false)
    ],
    [
      for request in local.requests : "${request.place}.url must have only printable ASCII outside of placeholders: encode the rest (%C3%A9)"
      if contains(request.names, "url") && !can(regex("^[\\x21-\\x7e]*$", replace(try(request.fields.url, ""), "/\\{\\{.*?\\}\\}/", "")))
    ],
    [
      for request in local.requests : "${request.place}.url is not https. To send credentials unprotected: target.settings.tls = \"disable\""
      if try(startswith(request.fields.url, "http://"), false) && lookup(var.target.settings, "tls", "verify") != "disable"
    ],
    [
      for one in local.call_entries : "${one.place} has ${jsonencode(one.key)}, which the target ${one.target} does not have; allowed: ${join(", ", keys(local.rules.targets[one.target]))}"
      if one.name == "settings" && try(!can(local.rules.targets[one.target][one.key]), false)
    ],
    [
      for one in local.call_placeholders : "${one.place} has the unknown placeholder ${one.text}; allowed: pending, current, retired, login and admin, each alone, with .KEY or with ./json/pointer, and with |number; session, session./json/pointer, session.header.NAME, session.cookie.NAME and session.cookies; rotation, mark, expires, expires|date and expires|epoch; in list: next, page, page|zero and offset"
      if !can(regex(local.placeholder, one.inner))
    ],
    [
      for one in local.call_placeholders : "${one.place} has ${one.text}, which ${one.step} does not have; allowed: ${join(", ", local.call_steps[one.step].placeholders)}"
      if can(regex(local.placeholder, one.inner)) && !contains(local.call_steps[one.step].placeholders, one.root)
    ],
    [
      for one in local.call_placeholders : "${one.place} has ${one.text}: set target.settings.${local.call_needs[one.root]}"
      if contains(keys(local.call_needs), one.root) && !contains(keys(var.target.settings), try(local.call_needs[one.root], ""))
    ],
    [
      for one in local.call_placeholders : "${one.place} has ${one.text}: of an AWS operation all pages are read. Remove it"
      if contains(["next", "page", "offset"], one.root) && !contains(one.kinds, "url")
    ],
    [
      for one in local.call_placeholders : "${one.place} has ${one.text}: say in target.calls.list.next where the answer has it"
      if one.root == "next" && !can(local.given_calls.list.next)
    ],
    [
      for one in local.call_placeholders : "${one.place} has ${one.text}: describe the request that logs in, in calls.session"
      if one.root == "session" && !contains(keys(local.given_calls), "session")
    ],
  )
  test_targets = setsubtract(keys(local.catalogue.targets), ["calls", "http", "none", "python"])
  call_needs   = { admin = "admin_secret_arn", expires = "lifetime_days" }

  # What the role may do, and what the function needs besides.
  call_actions      = distinct([for request in local.requests : request.fields.action if request.kinds == ["action"]])
  call_iam_actions  = [for action in local.call_actions : lookup(var.target.iam_actions, action, action)]
  call_test_targets = [for request in local.requests : local.catalogue.targets[request.fields.target] if request.kinds == ["target"] && can(local.catalogue.targets[request.fields.target])]
  lists_all         = anytrue([for request in local.requests : request.step == "list" && contains(request.names, "all")])
}
