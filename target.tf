# What a target's settings may not be beside each other, beside keys or beside secrets: a list of problems for each rule,
# which is a precondition of the function. A validation of var.target can read no local that is made of it.

locals {
  target_rules = local.rules.targets[var.target.type]
  # The settings as the function completes them.
  settings = merge({ for name, rule in local.target_rules : name => rule.default if rule.default != null }, var.target.settings)
  # An administrator, whose secret is another one and JSON, logs in.
  administered = contains(keys(local.settings), "admin_secret_arn")

  beside_problems = flatten([
    for name, rule in local.target_rules : concat(
      [
        for other, value in rule.required_with : "${other} = ${jsonencode(value)} needs ${name} (${rule.summary})"
        if try(local.settings[other] == value, false) && !contains(keys(local.settings), name)
      ],
      [
        for other, value in rule.excluded_by : "${other} = ${jsonencode(value)} takes no ${name}; leave it out (${rule.summary})"
        if try(local.settings[other] == value, false) && contains(keys(local.settings), name)
      ],
    )
  ])

  plain_text_problems = var.keys != null ? [] : [
    for name, rule in local.target_rules :
    "a plain-text secret (keys is null) needs ${name}, since it cannot hold it; set it, or make the secret JSON and set keys (${rule.summary})"
    if rule.needed_without_keys && !contains(keys(var.target.settings), name)
  ]

  own_secret_problems = [
    for name, rule in local.target_rules :
    "${name} names a secret that rotates here, or that another setting names; give it a secret of its own (${rule.summary})"
    if rule.other_secret && contains(
      concat(values(local.secrets), [for other, of in local.target_rules : try(local.settings[other], "") if of.other_secret && other != name]),
      try(local.settings[name], "none"),
    )
  ]

  shared_user_problems = length(local.secrets) < 2 ? [] : [
    for name, rule in local.target_rules :
    "${name} is one user for ${length(local.secrets)} secrets, which would overwrite each other's password; leave it out, so that each secret names its own, or call the module once for each (${rule.summary})"
    if rule.one_secret && contains(keys(var.target.settings), name)
  ]

  # Whoever can write the secret would be given any account that the administrator may change.
  pins = [for name in ["allowed_usernames", "user_base", "username"] : name if can(local.target_rules[name])]
  pin_problems = (
    !local.administered || !contains(local.pins, "username") || length(setintersection(local.pins, keys(var.target.settings))) > 0
    ) ? [] : [
    "admin_secret_arn needs ${join(" or ", local.pins)}, since the administrator changes whichever user the secret names (${local.target_rules[local.pins[0]].summary})"
  ]

  # The same name in another database is another user.
  database_problems = local.administered && can(local.target_rules.auth_source) && !contains(keys(var.target.settings), "auth_source") ? [
    "admin_secret_arn needs auth_source (${local.target_rules.auth_source.summary}), since the administrator changes the user of whichever database the secret names"
  ] : []

  # ARNs that the role's policy names; IAM's have no region.
  settings_arns = { for name, value in var.target.settings : name => split(":", value) if contains(local.target.permissions[*].resource, name) }
  region_problems = local.mocked ? [] : concat(
    [for name, arn in local.settings_arns : "${name} is in ${arn[3]}, and the function in ${local.region}" if !contains(["", local.region], try(arn[3], ""))],
    [
      for key, generator in var.generators : "generators[${jsonencode(key)}].kms_key_arn is in ${split(":", generator.kms_key_arn)[3]}, and the function in ${local.region}"
      if try(split(":", generator.kms_key_arn)[3] != local.region, false)
    ],
  )
  account_problems = local.mocked ? [] : [
    for name, arn in local.settings_arns : "${name} is in the account ${arn[4]}, and the function in ${local.account_id}"
    if try(arn[2] == "iam" && arn[4] != local.account_id, false)
  ]

  # Templates, which are filled in from the secret: request => setting => text.
  sent = {
    for request in ["set", "test"] : request => {
      for name, rule in local.target_rules : name => local.settings[name] if rule.holds != "" && contains(keys(local.settings), name) && (
        startswith(name, "${request}_") || contains(rule.sent_with, try(local.settings["${request}_auth"], ""))
      )
    }
  }
  placeholders = flatten([
    for request, texts in local.sent : [
      for name, text in texts : [
        for found in regexall("\\{\\{(.*?)\\}\\}", text) : {
          name = name
          text = "{{${found[0]}}}"
          root = try(regex("^\\s*(pending|current|login)(?:\\.(.+?))?\\s*$", found[0])[0], null)
          key  = try(regex("^\\s*(pending|current|login)(?:\\.(.+?))?\\s*$", found[0])[1], null)
          # The administrator's credential has the keys of its own secret.
          rotated = !local.administered || request != "set" || !startswith(trimspace(found[0]), "login")
        }
      ]
    ]
  ])
  placeholder_problems = distinct(concat(
    [
      for found in local.placeholders :
      "${found.name} has ${found.text}, which is unknown (allowed: {{pending.KEY}}, {{current.KEY}} and {{login.KEY}} with a key of the secret, or without a key for the rotated value)"
      if found.root == null
    ],
    [
      for found in local.placeholders : "${found.name} has ${found.text}, and a plain-text secret has no keys; write it without a key, or set keys"
      if var.keys == null && found.key != null && found.rotated
    ],
    [
      for found in local.placeholders :
      "${found.name} has ${found.text}, which may be any of keys (${join(", ", coalesce(var.keys, []))}); name one in it, or in password_key"
      if var.keys != null && local.password_key == null && found.root != null && found.key == null && found.rotated
    ],
  ))

  texts = { for name, rule in local.target_rules : name => merge(rule, { text = local.settings[name] }) if contains(keys(local.settings), name) }
  url_problems = [
    for name, of in local.texts : "${name} is not https, so whoever listens would see credentials; if that is acceptable, set tls = \"disable\""
    if of.holds == "url" && startswith(of.text, "http://") && try(local.settings.tls, "") != "disable"
  ]

  headers = {
    for name, of in local.texts : name => { for header, value in jsondecode(of.text) : header => value }
    if of.holds == "headers" && startswith(trimspace(of.text), "{") && can(keys(jsondecode(of.text)))
  }
  header_problems = concat(
    [
      for name, of in local.texts : "${name} is not a JSON object of headers, each a text; write it with jsonencode"
      if of.holds == "headers" && !contains(keys(local.headers), name)
    ],
    flatten([
      for name, headers in local.headers : [
        for header, value in headers :
        "${name} has the header ${jsonencode(header)}, which cannot be sent (allowed is a JSON object of texts that HTTP takes as headers; the function sets Content-Length and Transfer-Encoding)"
        if !(
          can(regex("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", header)) && !contains(["content-length", "transfer-encoding"], lower(header)) &&
          startswith(jsonencode(value), "\"") && can(regex("^[\\t\\x20-\\x7e\\x{a0}-\\x{ff}]*$", replace(value, "/\\{\\{.*?\\}\\}/", "")))
        )
      ]
    ]),
  )

  # Setting of a body => its kind, as the headers of the same request say.
  body_kinds = {
    for name, of in local.texts : name => lower(trimspace(split(";", try(
      [for header, value in local.headers[replace(name, "_body", "_headers")] : value if lower(header) == "content-type"][0], "application/json"
    ))[0])) if of.holds == "body" && of.text != ""
  }
  body_problems = concat(
    [
      for name, kind in local.body_kinds : "${name} is not JSON; write it with jsonencode, placeholders within strings"
      if can(regex("^([^/]+/[^/]+\\+json|application/json)$", kind)) && !can(jsondecode(local.settings[name]))
    ],
    [
      for name, kind in local.body_kinds :
      "${name} is ${jsonencode(kind)}; allowed as Content-Type: application/json, application/x-www-form-urlencoded, text/plain"
      if !can(regex("^([^/]+/[^/]+\\+json|application/json|application/x-www-form-urlencoded|text/plain)$", kind))
    ],
  )

  # By what may be unknown until apply, and puts off the check of all that stands in one list.
  settings_problems = concat(local.beside_problems, local.pin_problems, local.database_problems, local.plain_text_problems, local.shared_user_problems)
  arn_problems      = concat(local.own_secret_problems, local.region_problems, local.account_problems)
  template_problems = concat(local.url_problems, local.placeholder_problems, local.header_problems, local.body_problems)
}
