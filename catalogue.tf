# The catalogue of targets and generators. The function reads the same file, so the plan rejects what it would reject.

locals {
  lambda_src = "${path.module}/lambda_src"
  catalogue  = jsondecode(file("${local.lambda_src}/secret_rotation/catalogue.json"))

  # Type => setting => what a value must be: it matches `pattern`, is from `least` to `most` (null: no bound); `allowed`
  # says that in words. One form for every kind of rule, since a validation has to write its check out twice.
  rules = {
    for group in ["targets", "generators"] : group => {
      for type, about in local.catalogue[group] : type => try({
        for name, setting in about.settings : name => {
          required = try(setting.required, false)
          summary  = setting.summary
          listed   = can(setting.allowed)
          pattern  = try("^(${join("|", setting.allowed)})$", setting.pattern, setting.range == null ? "" : "^(0|[1-9][0-9]{0,8})$", "")
          least    = try(setting.range[0], null)
          most     = try(setting.range[1], null)
          default  = try(setting.default, null)
          allowed  = try(join(", ", setting.allowed), "whole numbers from ${setting.range[0]} to ${setting.range[1]}", setting.form, "any text")

          # What depends on other settings, on keys or on secrets: see target.tf.
          required_with       = try(setting.required_with, {})
          excluded_by         = try(setting.excluded_by, {})
          other_secret        = try(setting.other_secret, false)
          one_secret          = try(setting.one_secret, false)
          needed_without_keys = try(setting.needed_without_keys, false)
          holds               = try(setting.holds, "")
          sent_with           = try(setting.sent_with, [])
        }
      }, {})
    }
  }

  no_rules = {} # of a type that is unknown, which another validation says

  # Types whose value follows from others: their key is not one of keys.
  derived_types = [for type, about in local.catalogue.generators : type if try(about.derived, false)]

  # Type of generator => its settings that name further keys of the secret.
  named_keys = {
    for type, about in local.catalogue.generators : type => [for name, setting in about.settings : name if try(setting.names_key, false)]
  }
}
