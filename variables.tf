# One validation for each rule, so that each message names the one thing that is wrong. A validation may read other
# variables, but no local that is made of its own variable: that is a cycle.

locals {
  # The whole ARN: a partial one finds the secret too, and would be replaced, with a rotation, at every apply. One whose
  # name ends like a suffix passes here, and Secrets Manager does not find it.
  secret_arn_pattern  = "^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+-[A-Za-z0-9]{6}$"
  kms_key_arn_pattern = "^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$"
  principal_pattern   = "^arn:[a-z-]+:iam::[0-9]{12}:((role|user)/.+|root)$"

  class_characters = {
    lowercase   = "abcdefghijklmnopqrstuvwxyz"
    uppercase   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    numbers     = "0123456789"
    punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    space       = " "
  }
  # The classes of which exclude_characters leaves nothing.
  excluded_classes = [
    for class, characters in local.class_characters : class
    if length(setsubtract(split("", characters), split("", var.exclude_characters))) == 0
  ]

  # The function's environment variables that are the module's own; some are set for some targets only.
  own_environment = [
    "EXCLUDE_CHARACTERS", "EXCLUDE_LOWERCASE", "EXCLUDE_NUMBERS", "EXCLUDE_PUNCTUATION", "EXCLUDE_UPPERCASE", "GENERATORS",
    "INCLUDE_SPACE", "OVERWRITE_JSON", "PASSWORD_LENGTH", "REQUIRE_EACH_INCLUDED_TYPE", "SECRETS_MANAGER_ENDPOINT", "SECRET_KEYS", "TARGET",
    "TARGET_CALLS", "TARGET_FILE", "TARGET_SETTINGS",
  ]
  lambda_environment = "^(AWS_LAMBDA_.*|LAMBDA_.*|AWS_(DEFAULT_)?REGION|AWS_EXECUTION_ENV|AWS_ACCESS_KEY(_ID)?|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN)$"
  variable_name      = "^[A-Za-z][A-Za-z0-9_]+$"
}

variable "name" {
  description = "Name of the function, its role, and its log group (`/aws/lambda/<name>`)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name is ${jsonencode(var.name)}; allowed are 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "secrets" {
  description = "The secrets that rotate: a name of your choice, known at plan => the secret's full ARN. They are in the region and account of the function. An empty map makes the function only."
  type        = map(string)
  nullable    = false

  validation {
    condition = alltrue([
      for arn in values(nonsensitive(var.secrets)) : nonsensitive(can(regex(local.secret_arn_pattern, arn)))
    ])
    error_message = "Not the ARN of a secret: ${join(", ", [
      for key, arn in nonsensitive(var.secrets) : "secrets[${jsonencode(key)}] = ${jsonencode(nonsensitive(arn))}"
      if nonsensitive(!can(regex(local.secret_arn_pattern, arn)))
    ])}. Allowed is the full ARN, arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<6 characters>, for example aws_secretsmanager_secret.app.arn."
  }

  validation {
    condition     = length(distinct([for arn in values(nonsensitive(var.secrets)) : nonsensitive(arn)])) == length(nonsensitive(var.secrets))
    error_message = "A secret is named twice: ${join(", ", [for key, arn in nonsensitive(var.secrets) : "secrets[${jsonencode(key)}]" if length([for other in values(nonsensitive(var.secrets)) : other if nonsensitive(other == arn)]) > 1])}. A secret has one rotation; name it once."
  }
}

variable "keys" {
  description = "Keys of the JSON secret whose values rotate; all else stays as it is. An entry that begins with `/` is a JSON pointer to a nested value, such as `/database/password` or `/users/0/password`. Null: the whole value is plain text."
  type        = list(string)
  default     = null

  validation {
    condition     = var.keys == null ? true : length(var.keys) > 0
    error_message = "keys is empty. Name at least one key of the JSON secret, or leave keys null for a plain-text secret."
  }

  validation {
    condition     = alltrue([for key in coalesce(var.keys, []) : key != null && key != ""])
    error_message = "keys has an empty entry. Each must be the name of a key of the JSON secret."
  }

  validation {
    condition     = length(distinct(coalesce(var.keys, []))) == length(coalesce(var.keys, []))
    error_message = "keys is ${jsonencode(var.keys)}: a key is there twice. Name each once."
  }

  validation {
    condition     = alltrue([for key in compact(coalesce(var.keys, [])) : !(startswith(key, "/") && can(regex("~([^01]|$)", key)))])
    error_message = "keys has entries that are no JSON pointers: ${join(", ", [for key in compact(coalesce(var.keys, [])) : jsonencode(key) if startswith(key, "/") && can(regex("~([^01]|$)", key))])}. After ~ only 0 and 1 are allowed: write ~ in a name as ~0, and / as ~1."
  }

  # By their pointers, which are looked up, since there may be hundreds: those that begin another one, up to a slash.
  validation {
    condition = alltrue(flatten([
      for found in [zipmap([for key in distinct(compact(coalesce(var.keys, []))) : startswith(key, "/") ? key : "/${replace(replace(key, "~", "~0"), "/", "~1")}"], distinct(compact(coalesce(var.keys, []))))] : [
        length(found) == length(distinct(compact(coalesce(var.keys, [])))),
        [for place in keys(found) : [for depth in range(2, length(split("/", place))) : !can(found[join("/", slice(split("/", place), 0, depth))])]],
      ]
    ]))
    error_message = "keys has entries that name the same value, or one inside of the other: ${join(", ", flatten([
      for found in [zipmap([for key in distinct(compact(coalesce(var.keys, []))) : startswith(key, "/") ? key : "/${replace(replace(key, "~", "~0"), "/", "~1")}"], distinct(compact(coalesce(var.keys, []))))] : [
        [for key in setsubtract(distinct(compact(coalesce(var.keys, []))), values(found)) : "${jsonencode(found[startswith(key, "/") ? key : "/${replace(replace(key, "~", "~0"), "/", "~1")}"])} and ${jsonencode(key)}"],
        [for place, key in found : [for depth in range(2, length(split("/", place))) : "${jsonencode(found[join("/", slice(split("/", place), 0, depth))])} and ${jsonencode(key)}" if can(found[join("/", slice(split("/", place), 0, depth))])]],
      ]
    ]))}. Each needs a value of its own."
  }
}

variable "overwrite_json" {
  description = "With keys = null: replace the whole value even if it is JSON or looks like JSON. By default such a secret is rejected."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.overwrite_json || var.keys == null
    error_message = "overwrite_json = true is for keys = null, where the whole value is replaced; keys is ${jsonencode(var.keys)}. Remove one of them."
  }
}

variable "exclude_characters" {
  description = "Characters that a password never has. Empty: every character may be there."
  type        = string
  default     = "/@\"'\\"
  nullable    = false
}

variable "password" {
  description = <<-EOT
    The passwords that Secrets Manager makes.
    - `length`: 1 to 4096.
    - `classes`: what a password may have: `lowercase`, `uppercase`, `numbers`, `punctuation`, `space`.
    - `require_each_included_type`: at least one character of each class (of `space` none is required).
  EOT
  type = object({
    length                     = optional(number, 32)
    classes                    = optional(set(string), ["lowercase", "uppercase", "numbers", "punctuation"])
    require_each_included_type = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.password.length >= 1 && var.password.length <= 4096 && floor(var.password.length) == var.password.length
    error_message = "password.length is ${var.password.length}; allowed are whole numbers from 1 to 4096."
  }

  validation {
    condition     = length(setsubtract(var.password.classes, keys(local.class_characters))) == 0
    error_message = "password.classes has unknown classes: ${join(", ", setsubtract(var.password.classes, keys(local.class_characters)))}. Allowed: ${join(", ", keys(local.class_characters))}."
  }

  validation {
    condition     = length(setintersection(var.password.classes, ["lowercase", "uppercase", "numbers", "punctuation"])) > 0
    error_message = "password.classes is ${jsonencode(var.password.classes)}: no character is left to make a password of. Give at least one of lowercase, uppercase, numbers, punctuation."
  }

  validation {
    condition     = !var.password.require_each_included_type || var.password.length >= length(setsubtract(var.password.classes, ["space"]))
    error_message = "password.length is ${var.password.length}, too short for one character of each of ${length(setsubtract(var.password.classes, ["space"]))} classes. Make it longer, give fewer classes, or set require_each_included_type = false."
  }

  validation {
    condition     = !var.password.require_each_included_type || length(setintersection(var.password.classes, local.excluded_classes)) == 0
    error_message = "name = ${jsonencode(var.name)}: exclude_characters leaves none of ${join(", ", setintersection(var.password.classes, local.excluded_classes))}, but a password must have one of each class. Take the class out of password.classes, or exclude fewer characters."
  }

  validation {
    condition     = length(setsubtract(var.password.classes, ["space"])) == 0 || length(setsubtract(var.password.classes, concat(local.excluded_classes, ["space"]))) > 0
    error_message = "name = ${jsonencode(var.name)}: exclude_characters leaves no character of ${join(", ", setsubtract(var.password.classes, ["space"]))} to make a password of. Exclude fewer characters, or give more classes."
  }
}

variable "generators" {
  description = <<-EOT
    How new values are generated, for keys whose value is not a password: key of the secret => generator. The key of a
    plain-text secret is `""`. Each has a `type` of `lambda_src/secret_rotation/catalogue.json` and that type's settings,
    for example `{ type = "hex", bytes = 20 }`; `docs/settings.md` lists them all. Keys without a generator get a
    password. A `template` makes the value of a further key, which is not in `keys`, of the new values of others.
  EOT
  type        = map(map(string))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract([for key, generator in var.generators : key if !try(contains(local.derived_types, generator.type), false)], coalesce(var.keys, [""]))) == 0
    error_message = "generators names keys that do not rotate: ${jsonencode(setsubtract([for key, generator in var.generators : key if !try(contains(local.derived_types, generator.type), false)], coalesce(var.keys, [""])))}. Allowed: ${var.keys == null ? "\"\", the key of a plain-text secret (keys is null)" : jsonencode(var.keys)}."
  }

  validation {
    condition     = alltrue([for generator in var.generators : can(local.rules.generators[generator.type])])
    error_message = "Missing or unknown type: ${join(", ", [for key, generator in var.generators : "generators[${jsonencode(key)}].type = ${jsonencode(try(generator.type, null))}" if !can(local.rules.generators[generator.type])])}. Allowed: ${join(", ", keys(local.rules.generators))}."
  }

  validation {
    condition = alltrue(flatten([
      for generator in var.generators : [
        for name in keys(generator) : name == "type" || can(local.rules.generators[generator.type][name])
      ] if can(local.rules.generators[generator.type])
    ]))
    error_message = "generators has unknown settings: ${join("; ", flatten([
      for key, generator in var.generators : [
        for name in keys(generator) :
        "generators[${jsonencode(key)}].${name} (allowed for ${generator.type}: ${join(", ", coalescelist(keys(local.rules.generators[generator.type]), ["none"]))})"
        if name != "type" && !can(local.rules.generators[generator.type][name])
      ] if can(local.rules.generators[generator.type])
    ]))}."
  }

  validation {
    condition = alltrue(flatten([
      for generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) : !rule.required || try(generator[name], null) != null
      ]
    ]))
    error_message = "generators lacks settings: ${join("; ", flatten([
      for key, generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) : "generators[${jsonencode(key)}].${name} (${rule.summary})"
        if rule.required && try(generator[name], null) == null
      ]
    ]))}"
  }

  # In two: a value that is unknown until apply, such as an ARN, puts off the whole rule, and lists rarely have one. A
  # conditional and not &&, which is unknown when one side is.
  validation {
    condition = alltrue(flatten([
      for generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) : try(generator[name], null) == null || (
          can(regex(rule.pattern, generator[name])) && try(tonumber(generator[name]) >= rule.least && tonumber(generator[name]) <= rule.most, true)
        ) if rule.listed
      ]
    ]))
    error_message = "generators has values that are not allowed: ${join("; ", flatten([
      for key, generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) :
        "generators[${jsonencode(key)}].${name} = ${jsonencode(generator[name])} (allowed: ${rule.allowed})"
        if !rule.listed ? false : !(try(generator[name], null) == null || (
          can(regex(rule.pattern, generator[name])) && try(tonumber(generator[name]) >= rule.least && tonumber(generator[name]) <= rule.most, true)
        ))
      ]
    ]))}."
  }

  validation {
    condition = alltrue(flatten([
      for generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) : try(generator[name], null) == null || (
          can(regex(rule.pattern, generator[name])) && try(tonumber(generator[name]) >= rule.least && tonumber(generator[name]) <= rule.most, true)
        ) if !rule.listed
      ]
    ]))
    error_message = "generators has values that are not allowed: ${join("; ", flatten([
      for key, generator in var.generators : [
        for name, rule in try(local.rules.generators[generator.type], local.no_rules) :
        "generators[${jsonencode(key)}].${name} = ${jsonencode(generator[name])} (allowed: ${rule.allowed})"
        if rule.listed ? false : !(try(generator[name], null) == null || (
          can(regex(rule.pattern, generator[name])) && try(tonumber(generator[name]) >= rule.least && tonumber(generator[name]) <= rule.most, true)
        ))
      ]
    ]))}."
  }

  # Settings that name further keys of the secret, which the generator fills.
  validation {
    condition = var.keys == null || alltrue(flatten([
      for generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : try(length(generator[name]) > 0, false)
      ]
    ]))
    error_message = "generators lacks settings: ${join(", ", flatten([
      for key, generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : "generators[${jsonencode(key)}].${name}"
        if !try(length(generator[name]) > 0, false)
      ]
    ]))}. Name the key of the secret that it fills."
  }

  validation {
    condition = var.keys != null || alltrue(flatten([
      for generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : try(generator[name], null) == null
      ]
    ]))
    error_message = "generators[\"\"] names a further key (${join(", ", flatten([
      for generator in var.generators : try(local.named_keys[generator.type], [])
    ]))}), and a plain-text secret has none. Remove it (a public key can be derived from its private key), or make the secret JSON and set keys."
  }

  validation {
    condition = length(distinct(concat(coalesce(var.keys, []), flatten([
      for generator in var.generators : [for name in try(local.named_keys[generator.type], []) : generator[name] if try(length(generator[name]) > 0, false)]
      ])))) == length(concat(coalesce(var.keys, []), flatten([
      for generator in var.generators : [for name in try(local.named_keys[generator.type], []) : generator[name] if try(length(generator[name]) > 0, false)]
    ])))
    error_message = "Two values would go to one key: ${join(", ", flatten([
      for key, generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : "generators[${jsonencode(key)}].${name} = ${jsonencode(generator[name])}"
        if try(length(generator[name]) > 0, false)
      ]
    ]))}. Name a key of its own, which is neither in keys (${join(", ", coalesce(var.keys, []))}) nor named by another generator."
  }

  validation {
    condition = alltrue(flatten([
      for named in [flatten([for key, generator in var.generators : [
        [for name in try(local.named_keys[generator.type], []) : generator[name] if try(length(generator[name]) > 0, false)],
        [for derived in [key] : derived if try(contains(local.derived_types, generator.type), false)],
        ]])] : [
        for places in [{ for key in distinct(concat(compact(coalesce(var.keys, [])), named)) : key => startswith(key, "/") ? "${key}/" : "/${replace(replace(key, "~", "~0"), "/", "~1")}/" }] : [
          for key, place in places : [
            for other in named : key == other || !(startswith(places[other], place) || startswith(place, places[other]))
          ]
        ]
      ]
    ]))
    error_message = "A generator would write into the value of another key: ${join(", ", flatten([
      for key, generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : "generators[${jsonencode(key)}].${name} = ${jsonencode(generator[name])}"
        if try(length(generator[name]) > 0, false)
      ]
    ]))}${join(", ", [for key, generator in var.generators : " template for ${jsonencode(key)}" if try(contains(local.derived_types, generator.type), false)])} is the same value as another key (keys: ${join(", ", coalesce(var.keys, []))}), or inside of it, or around it. Name a key of its own."
  }

  validation {
    condition = alltrue(flatten([
      for generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : !(can(regex("^/", generator[name])) && can(regex("~([^01]|$)", generator[name])))
      ]
    ]))
    error_message = "generators has settings that are no JSON pointers: ${join(", ", flatten([
      for key, generator in var.generators : [
        for name in try(local.named_keys[generator.type], []) : "generators[${jsonencode(key)}].${name} = ${jsonencode(generator[name])}"
        if can(regex("^/", generator[name])) && can(regex("~([^01]|$)", generator[name]))
      ]
    ]))}. After ~ only 0 and 1 are allowed: write ~ in a name as ~0, and / as ~1."
  }

  # Templates: their keys, and what they use. What is between the braces of a placeholder and before its filters is a key.
  validation {
    condition     = alltrue([for key, generator in var.generators : !try(contains(local.derived_types, generator.type), false) || (var.keys != null && key != "")])
    error_message = "generators has a template, which is for a key of a JSON secret: ${join(", ", [for key, generator in var.generators : "generators[${jsonencode(key)}]" if try(contains(local.derived_types, generator.type), false)])}; keys is ${jsonencode(var.keys)}. Set keys to what gets a new value, and name another key for the template."
  }

  validation {
    condition     = alltrue([for key, generator in var.generators : !(try(contains(local.derived_types, generator.type), false) && contains(coalesce(var.keys, []), key))])
    error_message = "generators fills entries of keys by a template: ${join(", ", [for key, generator in var.generators : jsonencode(key) if try(contains(local.derived_types, generator.type), false) && contains(coalesce(var.keys, []), key)])}. keys are those that get a new value of their own: remove these there."
  }

  validation {
    condition = alltrue([
      for key in flatten([for key, generator in var.generators : [[key], [for use in regexall("\\{\\{ *([^{}|]*)", try(generator.template, "")) : trimspace(use[0])]] if try(contains(local.derived_types, generator.type), false)]) :
      !(startswith(key, "/") && can(regex("~([^01]|$)", key)))
    ])
    error_message = "generators has templates with a key that is no JSON pointer: ${join(", ", [
      for key in flatten([for key, generator in var.generators : [[key], [for use in regexall("\\{\\{ *([^{}|]*)", try(generator.template, "")) : trimspace(use[0])]] if try(contains(local.derived_types, generator.type), false)]) :
      jsonencode(key) if startswith(key, "/") && can(regex("~([^01]|$)", key))
    ])}. After ~ only 0 and 1 are allowed: write ~ in a name as ~0, and / as ~1."
  }

  validation {
    condition = alltrue(flatten([
      for key, generator in var.generators : [
        for use in regexall("\\{\\{ *([^{}|]*)", try(generator.template, "")) : [
          for place in [for name in [trimspace(use[0])] : startswith(name, "/") ? "${name}/" : "/${replace(replace(name, "~", "~0"), "/", "~1")}/"] : [
            for other in [for name, derived in var.generators : startswith(name, "/") ? "${name}/" : "/${replace(replace(name, "~", "~0"), "/", "~1")}/" if try(contains(local.derived_types, derived.type), false)] :
            !(startswith(place, other) || startswith(other, place))
          ]
        ]
      ] if try(contains(local.derived_types, generator.type), false)
    ]))
    error_message = "A template uses its own value, or that of another template: ${join(", ", flatten([
      for key, generator in var.generators : [
        for use in regexall("\\{\\{ *([^{}|]*)", try(generator.template, "")) : [
          for place in [for name in [trimspace(use[0])] : startswith(name, "/") ? "${name}/" : "/${replace(replace(name, "~", "~0"), "/", "~1")}/"] : [
            for other in [for name, derived in var.generators : startswith(name, "/") ? "${name}/" : "/${replace(replace(name, "~", "~0"), "/", "~1")}/" if try(contains(local.derived_types, derived.type), false)] :
            "generators[${jsonencode(key)}].template has {{${trimspace(use[0])}}}" if startswith(place, other) || startswith(other, place)
          ]
        ]
      ] if try(contains(local.derived_types, generator.type), false)
    ]))}. Name the keys from which that value is made."
  }
}

variable "target" {
  description = <<-EOT
    The system that has to accept the new value.
    - `type`: a type of `lambda_src/secret_rotation/catalogue.json`; `none`: Secrets Manager only.
    - `settings`: the settings of that type, all strings; `docs/settings.md` lists them.
    - `file`: for type `python`, your own Python file, which the function gets as a layer.
    - `calls`: for type `calls`, the requests that set, issue, test and revoke the value: `docs/calls.md`.
    - `resource_arns`: for type `calls`, the resources on which its AWS `action`s are allowed. `iam_actions`: action => the
      action's name in IAM, where it has another one, such as `{ "opensearch:UpdateDomainConfig" = "es:UpdateDomainConfig" }`.
  EOT
  type = object({
    type          = optional(string, "none")
    settings      = optional(map(string), {})
    file          = optional(string)
    calls         = optional(any)
    resource_arns = optional(list(string), [])
    iam_actions   = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.target.calls == null || can(keys(var.target.calls))
    error_message = "target.calls must be an object that describes requests, such as { set = {...}, test = {...} }: docs/calls.md."
  }

  validation {
    condition     = contains(keys(local.rules.targets), var.target.type)
    error_message = "target.type is ${jsonencode(var.target.type)}; allowed are ${join(", ", keys(local.rules.targets))}."
  }

  validation {
    condition     = alltrue([for name in keys(var.target.settings) : var.target.settings[name] != null])
    error_message = "target.settings has entries that are null: ${join(", ", [for name, value in var.target.settings : name if value == null])}. Leave them out."
  }

  validation {
    condition     = length(setsubtract(keys(var.target.settings), try(keys(local.catalogue.targets[var.target.type].settings), keys(var.target.settings)))) == 0
    error_message = "The target ${var.target.type} has no target.settings named ${join(", ", setsubtract(keys(var.target.settings), keys(try(local.rules.targets[var.target.type], local.no_rules))))}. Allowed: ${join(", ", coalescelist(keys(try(local.rules.targets[var.target.type], local.no_rules)), ["none"]))}."
  }

  validation {
    condition     = alltrue([for name, rule in try(local.rules.targets[var.target.type], local.no_rules) : !rule.required || contains(keys(var.target.settings), name)])
    error_message = "The target ${var.target.type} needs target.settings: ${join("; ", [for name, rule in try(local.rules.targets[var.target.type], local.no_rules) : "${name} (${rule.summary})" if rule.required && !contains(keys(var.target.settings), name)])}."
  }

  # In two: a value that is unknown until apply, such as a host, puts off the whole rule, and lists rarely have one. A
  # conditional and not &&, which is unknown when one side is.
  validation {
    condition = alltrue([
      for name, rule in try(local.rules.targets[var.target.type], local.no_rules) : try(var.target.settings[name], null) == null || (
        can(regex(rule.pattern, var.target.settings[name])) && try(tonumber(var.target.settings[name]) >= rule.least && tonumber(var.target.settings[name]) <= rule.most, true)
      ) if rule.listed
    ])
    error_message = "target.settings has values that the target ${var.target.type} does not allow: ${join("; ", [
      for name, rule in try(local.rules.targets[var.target.type], local.no_rules) :
      "${name} = ${jsonencode(var.target.settings[name])} (allowed: ${rule.allowed})"
      if !rule.listed ? false : !(try(var.target.settings[name], null) == null || (
        can(regex(rule.pattern, var.target.settings[name])) && try(tonumber(var.target.settings[name]) >= rule.least && tonumber(var.target.settings[name]) <= rule.most, true)
      ))
    ])}."
  }

  validation {
    condition = alltrue([
      for name, rule in try(local.rules.targets[var.target.type], local.no_rules) : try(var.target.settings[name], null) == null || (
        can(regex(rule.pattern, var.target.settings[name])) && try(tonumber(var.target.settings[name]) >= rule.least && tonumber(var.target.settings[name]) <= rule.most, true)
      ) if !rule.listed
    ])
    error_message = "target.settings has values that the target ${var.target.type} does not allow: ${join("; ", [
      for name, rule in try(local.rules.targets[var.target.type], local.no_rules) :
      "${name} = ${jsonencode(var.target.settings[name])} (allowed: ${rule.allowed})"
      if rule.listed ? false : !(try(var.target.settings[name], null) == null || (
        can(regex(rule.pattern, var.target.settings[name])) && try(tonumber(var.target.settings[name]) >= rule.least && tonumber(var.target.settings[name]) <= rule.most, true)
      ))
    ])}."
  }

  validation {
    condition     = var.network != null || !try(local.catalogue.targets[var.target.type].needs_network, false)
    error_message = "The target ${var.target.type} is reached inside a VPC: give network = { subnet_ids = [...], security_group_ids = [...] }. Targets without it: ${join(", ", [for name, target in local.catalogue.targets : name if !target.needs_network])}."
  }

  validation {
    condition     = try(local.catalogue.targets[var.target.type].driver, null) == null || length(var.function.layers) > 0 || var.package != null
    error_message = "The target ${var.target.type} needs the driver ${coalesce(try(local.catalogue.targets[var.target.type].driver, null), "of its service")}, and function.layers is empty. Build the layer with `make layer`, publish build/drivers.zip (aws_lambda_layer_version) and give its ARN in function.layers."
  }

  validation {
    condition     = var.target.type != "python" || var.target.file != null || var.package != null
    error_message = "The target python needs target.file, your Python file with set_secret and test_secret, for example \"$${path.module}/my_target.py\"."
  }

  validation {
    condition     = var.target.type == "python" || var.target.file == null
    error_message = "target.file is for the type python only; target.type is ${var.target.type}. Remove the file, or set type = \"python\"."
  }

  validation {
    condition     = var.target.file == null || var.package == null
    error_message = "target.file cannot be added to a package that is given. Put it into the package as custom_target.py and remove target.file."
  }

  validation {
    condition     = endswith(coalesce(var.target.file, ".py"), ".py")
    error_message = "target.file is ${jsonencode(var.target.file)}, which is not a Python file. Give the path of a file that ends in .py, for example \"$${path.module}/my_target.py\"."
  }
}

variable "network" {
  description = "The VPC's subnets and security groups in which the function runs. Null: no VPC. In a VPC it needs a route to Secrets Manager: a VPC endpoint or a NAT gateway. `dual_stack`: also IPv6, in subnets that have both."
  type = object({
    subnet_ids         = optional(list(string), [])
    security_group_ids = optional(list(string), [])
    dual_stack         = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) > 0
    error_message = "network has no subnet_ids. Give subnet_ids and security_group_ids, or network = null for a function outside a VPC."
  }

  validation {
    condition     = var.network == null ? true : length(var.network.security_group_ids) > 0
    error_message = "network has no security_group_ids. Give subnet_ids and security_group_ids, or network = null for a function outside a VPC."
  }
}

variable "function" {
  description = <<-EOT
    The Lambda function.
    - `runtime`: python3.11 or later, as the AWS provider knows it. `architecture`: arm64 or x86_64.
    - `memory_size`: MB, 128 to 10240. `timeout`: seconds, 1 to 900.
    - `layers`: ARNs of up to four layers (three with `target.file`), for example of a database driver.
    - `environment`: further environment variables, such as HTTPS_PROXY and NO_PROXY. They are no place for secret values.
    - `log_level`: TRACE, DEBUG, INFO, WARN, ERROR, FATAL. `tracing`: PassThrough or Active (X-Ray).
    - `reserved_concurrency`: null (none) or at least 10; fewer break rotations.
    - `kms_key_arn`: customer managed key that encrypts the environment variables.
    - `code_signing_config_arn`: then the zip must be signed: see `package`.
  EOT
  type = object({
    runtime                 = optional(string, "python3.13")
    architecture            = optional(string, "arm64")
    memory_size             = optional(number, 256)
    timeout                 = optional(number, 60)
    layers                  = optional(list(string), [])
    environment             = optional(map(string), {})
    log_level               = optional(string, "INFO")
    tracing                 = optional(string, "PassThrough")
    reserved_concurrency    = optional(number)
    kms_key_arn             = optional(string)
    code_signing_config_arn = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^python3\\.(1[1-9]|[2-9][0-9])$", var.function.runtime))
    error_message = "function.runtime is ${jsonencode(var.function.runtime)}; allowed are python3.11 and later."
  }

  validation {
    condition     = alltrue([for name in keys(var.function.environment) : can(regex(local.variable_name, name))])
    error_message = "function.environment has ${join(", ", [for name in keys(var.function.environment) : jsonencode(name) if !can(regex(local.variable_name, name))])}; a name starts with a letter, has at least two characters, and consists of letters, digits and underscores."
  }

  validation {
    condition     = length(setintersection(keys(var.function.environment), local.own_environment)) == 0
    error_message = "function.environment has ${join(", ", setintersection(keys(var.function.environment), local.own_environment))}, which the module sets itself. Use the module's variable for it."
  }

  validation {
    condition     = alltrue([for name in keys(var.function.environment) : !can(regex(local.lambda_environment, name))])
    error_message = "function.environment has a variable that Lambda sets itself. Remove ${join(", ", [for name in keys(var.function.environment) : name if can(regex(local.lambda_environment, name))])}."
  }

  validation {
    condition     = contains(["arm64", "x86_64"], var.function.architecture)
    error_message = "function.architecture is ${jsonencode(var.function.architecture)}; allowed are arm64, x86_64."
  }

  validation {
    condition     = var.function.memory_size >= 128 && var.function.memory_size <= 10240 && floor(var.function.memory_size) == var.function.memory_size
    error_message = "function.memory_size is ${var.function.memory_size}; allowed are whole numbers from 128 to 10240, in MB."
  }

  validation {
    condition     = var.function.timeout >= 1 && var.function.timeout <= 900 && floor(var.function.timeout) == var.function.timeout
    error_message = "function.timeout is ${var.function.timeout}; allowed are whole numbers from 1 to 900, in seconds."
  }

  validation {
    condition     = contains(["PassThrough", "Active"], var.function.tracing)
    error_message = "function.tracing is ${jsonencode(var.function.tracing)}; allowed are PassThrough, Active."
  }

  validation {
    condition     = coalesce(var.function.reserved_concurrency, 10) >= 10 && floor(coalesce(var.function.reserved_concurrency, 10)) == coalesce(var.function.reserved_concurrency, 10)
    error_message = "function.reserved_concurrency is ${coalesce(var.function.reserved_concurrency, 10)}; with fewer than 10 rotations fail and are repeated. Allowed are null (nothing reserved) and whole numbers from 10."
  }
}

variable "logs" {
  description = "The function's log group: `retention_in_days` (0 keeps for ever), `kms_key_arn` to encrypt it (the key's policy must allow CloudWatch Logs), and `skip_destroy` to keep it when it is replaced or destroyed, as by another `name`."
  type = object({
    retention_in_days = optional(number, 30)
    kms_key_arn       = optional(string)
    skip_destroy      = optional(bool, false)
  })
  default  = {}
  nullable = false
}

variable "kms_key_arns" {
  description = "ARNs of the customer managed KMS keys that encrypt the secrets. None for the key aws/secretsmanager."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex(local.kms_key_arn_pattern, arn))])
    error_message = "Not the ARN of a KMS key: ${join(", ", [for arn in var.kms_key_arns : jsonencode(arn) if !can(regex(local.kms_key_arn_pattern, arn))])}. kms_key_arns takes arn:<partition>:kms:<region>:<account>:key/<id>; an alias does not work in a policy."
  }
}

variable "role" {
  description = <<-EOT
    The function's role.
    - `arn`: an existing role, by an ARN that is known at plan, for organisations that create roles elsewhere; the output `role_policy` is the policy that it
      needs. `name`, `path` and `permissions_boundary` are then not used.
    - `name`: null for the function's name. Roles are global: the same module in two regions needs two names.
    - `path`, `permissions_boundary`: as of `aws_iam_role`.
    - `source_account`: let Lambda assume the role for this account only (`aws:SourceAccount`). AWS does not document that Lambda sends that key: try it with a function of no importance first.
    - `secret_arns`: ARNs, or patterns with `*`, of secrets that rotate by this function and are not in `secrets`, such as
      those of another Terraform state. The policy names them and `secrets`, up to 20 together. More than 20, or none at
      all: the policy allows every secret whose rotation function this is.
    - `statements`: further statements of its policy, for an own target: sid => statement. `conditions` is a map of
      operator => condition key => values.
  EOT
  type = object({
    arn                  = optional(string)
    name                 = optional(string)
    path                 = optional(string, "/")
    permissions_boundary = optional(string)
    source_account       = optional(bool, false)
    secret_arns          = optional(list(string), [])
    statements = optional(map(object({
      effect     = optional(string, "Allow")
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))))
    })), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,64}$", coalesce(var.role.name, "the-name")))
    error_message = "role.name is ${jsonencode(var.role.name)}; allowed are 1 to 64 letters, digits and + = , . @ _ -."
  }

  validation {
    condition     = can(regex("^/([!-~]+/)?$", var.role.path))
    error_message = "role.path is ${jsonencode(var.role.path)}; it begins and ends with a slash, for example /rotation/."
  }

  validation {
    condition     = alltrue([for arn in var.role.secret_arns : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$", arn))])
    error_message = "role.secret_arns has ${join(", ", [for arn in var.role.secret_arns : jsonencode(arn) if !can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$", arn))])}; allowed are ARNs of secrets, or patterns such as arn:<partition>:secretsmanager:<region>:<account>:secret:team/*."
  }

  validation {
    condition     = alltrue([for sid in keys(var.role.statements) : can(regex("^[a-zA-Z0-9]+$", sid))])
    error_message = "role.statements has names that are not a sid: ${join(", ", [for sid in keys(var.role.statements) : jsonencode(sid) if !can(regex("^[a-zA-Z0-9]+$", sid))])}. Allowed are letters and digits."
  }

  validation {
    condition     = alltrue([for statement in var.role.statements : contains(["Allow", "Deny"], statement.effect)])
    error_message = "Unknown effect: ${join(", ", [for sid, statement in var.role.statements : "role.statements.${sid}.effect = ${jsonencode(statement.effect)}" if !contains(["Allow", "Deny"], statement.effect)])}. Allowed: Allow, Deny."
  }

  validation {
    condition     = alltrue([for statement in var.role.statements : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "A statement needs actions and resources: ${join(", ", [for sid, statement in var.role.statements : "role.statements.${sid}" if length(statement.actions) == 0 || length(statement.resources) == 0])}."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", coalesce(var.role.arn, "arn:aws:iam::123456789012:role/a")))
    error_message = "role.arn is ${jsonencode(var.role.arn)}; allowed is arn:<partition>:iam::<account>:role/<name>."
  }

  validation {
    condition     = var.role.arn == null || (var.role.name == null && var.role.path == "/" && var.role.permissions_boundary == null)
    error_message = "role.arn is set, and so are name, path or permissions_boundary, which are for a role that the module creates. Remove them, or role.arn."
  }
}

variable "alarms" {
  description = <<-EOT
    CloudWatch alarms, and an hourly look at the secrets that feeds them. Null: none.
    - `alarm_actions`: ARNs of the SNS topics to notify. A topic encrypted by `alias/aws/sns` gets nothing.
    - `ok_actions`: ARNs of the topics to notify when an alarm returns to OK.
    - `interval_hours`: hours between two looks, 1 to 24.
    - `events`: also send the events RotationFailed and RotationAbandoned to `alarm_actions`. They need a CloudTrail trail, and topics whose policy lets `events.amazonaws.com` publish.
  EOT
  type = object({
    alarm_actions  = list(string)
    ok_actions     = optional(list(string), [])
    interval_hours = optional(number, 1)
    events         = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.alarms == null ? true : length(var.alarms.alarm_actions) > 0
    error_message = "alarms.alarm_actions is empty, so the alarms would notify nobody. Give the ARN of at least one SNS topic, or alarms = null."
  }

  validation {
    condition     = var.alarms == null ? true : contains(range(1, 25), var.alarms.interval_hours)
    error_message = "alarms.interval_hours is ${try(var.alarms.interval_hours, "null")}; allowed are whole numbers from 1 to 24."
  }
}

variable "on_success" {
  description = <<-EOT
    Whom to tell when a secret has a new AWSCURRENT value, for example to restart what has read the old one: a name of your choice => the target. That is so after a rotation, and also when somebody puts a value or moves AWSCURRENT back.
    - `arn`: of a Lambda function, SQS queue, SNS topic or Step Functions state machine.
    - `function_name`: the function's name, if it is one; EventBridge is then allowed to invoke it.
    - `role_arn`: the role with which a state machine is started.
    - `input_paths`, `input_template`: what the target gets instead of the event.
    - `retries`, `maximum_age`: how often, and for how many seconds, an event is tried that could not be delivered. Then it goes to a queue for dead letters.
    For more than about 20 secrets call `modules/events` with `name_prefixes`.
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
}

variable "package" {
  description = <<-EOT
    A zip that is built elsewhere, instead of the one that the module makes. Either `path` or `s3`.
    - `path`: a file on disk, there at plan and at apply.
    - `s3`: an object; `version` for a versioned bucket; `hash` (SHA-256 in base64) to see that the object has changed.
  EOT
  type = object({
    path = optional(string)
    s3 = optional(object({
      bucket  = string
      key     = string
      version = optional(string)
      hash    = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.package == null ? true : var.package.path != null || var.package.s3 != null
    error_message = "package has neither path nor s3. Give one of them, or package = null for the module's own zip."
  }

  validation {
    condition     = var.package == null ? true : var.package.path == null || var.package.s3 == null
    error_message = "package has path and s3. Give one of them."
  }
}

variable "build_folder" {
  description = "Folder in which Terraform writes the zips of the layers. Null: `.terraform/secret-rotation` in the root module's folder. Set it where that cannot be written."
  type        = string
  default     = null
}

variable "endpoint_url" {
  description = "URL of Secrets Manager for the function, for example of a VPC endpoint without private DNS. Null: the region's public one."
  type        = string
  default     = null

  # The function's own rule.
  validation {
    condition     = can(regex("^(?i)https?://([a-z0-9._-]+|\\[[a-f0-9:.]+\\])(:[0-9]{1,5})?(/[a-z0-9._/-]*)?$", coalesce(var.endpoint_url, "https://aws")))
    error_message = "endpoint_url is ${jsonencode(var.endpoint_url)}; allowed are URLs such as https://host or http://host:4566, without user name and query."
  }
}

variable "secret_policy" {
  description = <<-EOT
    Whom the output `secret_policy` exempts: a resource policy for the secrets that denies their values to all but the function's role, administrators of the account included. The module attaches it to nothing.
    - `readers`: ARNs of roles and users that may read values. Wildcards are allowed.
    - `writers`: ARNs of roles and users that may also put values, move staging labels and update the secret.
  EOT
  type = object({
    readers = optional(list(string), [])
    writers = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for arn in concat(var.secret_policy.readers, var.secret_policy.writers) : can(regex(local.principal_pattern, arn))])
    error_message = "secret_policy allows ARNs of roles and users, such as arn:aws:iam::123456789012:role/app (of a session, the role's): ${join(", ", [for arn in concat(var.secret_policy.readers, var.secret_policy.writers) : arn if !can(regex(local.principal_pattern, arn))])}."
  }
}

variable "tags" {
  description = "Tags of everything that the module makes."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "verify" {
  description = <<-EOT
    Wait at apply for the rotations that it starts, and fail with the reason if one fails; null: do not ask. Only what is known
    to be wrong fails. A plan asks nothing; an apply asks again when secrets, schedule, settings or code have changed.
    - `wait`: seconds to wait at most; by default `function.timeout` less 5, and at most 55. It ends once all have rotated.
  EOT
  type = object({
    wait = optional(number)
  })
  default = {}
}
