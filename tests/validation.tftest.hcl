# What is refused at plan. Each run starts the provider again, which costs more than the plan, so a run holds one fault in
# each of many variables, and every one of them must be found. The faults of one run do not touch each other: a validation
# that reads another variable is not evaluated when that one is refused.

mock_provider "aws" {
  source = "./tests/mocks"
}
mock_provider "archive" {}

variables {
  name    = "app"
  secrets = { app = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
}

run "every_fault_of_round_01_is_refused" {
  command = plan

  variables {
    # a secret that is a name
    secrets = { app = "app" }
    # a length of 0
    password = { length = 0, require_each_included_type = false }
    # a generator for a key that does not rotate
    keys       = ["password"]
    generators = { token = { type = "hex" } }
    # neither days nor expression
    schedule = { duration = "2h" }
    # an unknown target
    target = { type = "oracle7" }
    # an old runtime
    function = { runtime = "python3.10" }
    # a retention of 8 days
    logs = { retention_days = 8 }
    # a kms alias
    kms_key_arns = ["alias/app"]
    # a role name of 65 characters
    role = { name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
    # an endpoint that is no url
    endpoint_url = "vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com"
  }

  expect_failures = [
    var.secrets,
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
    var.logs,
    var.kms_key_arns,
    var.role,
    var.endpoint_url,
  ]
}

run "every_fault_of_round_02_is_refused" {
  command = plan

  variables {
    # a secret that is the arn of something else
    secrets = { app = "arn:aws:ssm:eu-central-1:123456789012:parameter/app" }
    # a length of 4097
    password = { length = 4097 }
    # a generator with a key for plain text
    generators = { password = { type = "hex" } }
    # both days and expression
    schedule = { days = 30, expression = "rate(30 days)" }
    # an unknown setting of a target
    target = { type = "none", settings = { host = "localhost" } }
    # an unknown architecture
    function = { architecture = "riscv" }
    # a role path without a slash
    role = { path = "rotation" }
  }

  expect_failures = [
    var.secrets,
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
    var.role,
  ]
}

run "every_fault_of_round_03_is_refused" {
  command = plan

  variables {
    # a secret named twice
    secrets = { a = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf", b = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
    # a length that is not whole
    password = { length = 32.5 }
    # an unknown generator
    generators = { "" = { type = "md5" } }
    # zero days
    schedule = { days = 0 }
    # a setting that is null
    target = { type = "python", file = "tests/fixtures/my_target.py", settings = { url = null } }
    # too little memory
    function = { memory = 64 }
    # a statement whose name is no sid
    role = { statements = { "read it" = { actions = ["s3:GetObject"], resources = ["*"] } } }
  }

  expect_failures = [
    var.secrets,
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
    var.role,
  ]
}

run "every_fault_of_round_04_is_refused" {
  command = plan

  variables {
    # an unknown class
    password = { classes = ["lowercase", "emoji"] }
    # bytes for a uuid
    generators = { "" = { type = "uuid", bytes = 16 } }
    # a thousand days
    schedule = { days = 1000 }
    # a target without a setting that it needs
    target = { type = "http", settings = { set_url = "https://example.com" } }
    # too much memory
    function = { memory = 10241 }
    # a statement with an unknown effect
    role = { statements = { ReadIt = { effect = "Maybe", actions = ["s3:GetObject"], resources = ["*"] } } }
  }

  expect_failures = [
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
    var.role,
  ]
}

run "every_fault_of_round_05_is_refused" {
  command = plan

  variables {
    # no class
    password = { classes = [] }
    # zero bytes
    generators = { "" = { type = "hex", bytes = 0 } }
    # an expression that is neither rate nor cron
    schedule = { expression = "every day" }
    # a target without the network that it needs
    target = { type = "redis" }
    # a timeout of 0
    function = { timeout = 0 }
    # a statement without actions
    role = { statements = { ReadIt = { actions = [], resources = ["*"] } } }
  }

  expect_failures = [
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
    var.role,
  ]
}

run "every_fault_of_round_06_is_refused" {
  command = plan

  variables {
    # a name with a slash
    name = "app/rotation"
    # spaces only
    password = { classes = ["space"] }
    # too many bytes
    generators = { "" = { type = "base64", bytes = 4097 } }
    # a rate of 3 hours
    schedule = { expression = "rate(3 hours)" }
    # a setting that is granted and is no arn
    target  = { type = "redis", settings = { admin_secret_arn = "admin" } }
    network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
    # a timeout of 901 seconds
    function = { timeout = 901 }
  }

  expect_failures = [
    var.name,
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_07_is_refused" {
  command = plan

  variables {
    # a name of 65 characters
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # a length shorter than the classes
    password = { length = 3 }
    # bits for hex
    generators = { "" = { type = "hex", bits = 2048 } }
    # a rate of 1000 days
    schedule = { expression = "rate(1000 days)" }
    # python without a file
    target = { type = "python" }
    # six layers
    function = { layers = ["a", "b", "c", "d", "e", "f"] }
  }

  expect_failures = [
    var.name,
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_08_is_refused" {
  command = plan

  variables {
    # a required class without characters
    exclude_characters = "0123456789"
    # an rsa key of 1024 bits
    generators = { "" = { type = "rsa", bits = 1024, kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" } }
    # a rate of 23977 hours
    schedule = { expression = "rate(23977 hours)" }
    # a file without python
    target = { file = "tests/fixtures/my_target.py" }
    # an unknown log level
    function = { log_level = "LOUD" }
  }

  expect_failures = [
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_09_is_refused" {
  command = plan

  variables {
    # no character left
    exclude_characters = "0123456789"
    password           = { classes = ["numbers", "space"], require_each_included_type = false }
    # a curve for rsa
    generators = { "" = { type = "rsa", curve = "P-256", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" } }
    # a cron of five fields
    schedule = { expression = "cron(0 8 1 * ?)" }
    # a file that is not there
    target = { type = "python", file = "tests/fixtures/nowhere.py" }
    # an unknown tracing
    function = { tracing = "on" }
  }

  expect_failures = [
    var.password,
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_10_is_refused" {
  command = plan

  variables {
    # too many excluded characters
    exclude_characters = join("", [for i in range(1000) : "aaaaa"])
    # an unknown curve
    generators = { "" = { type = "ec", curve = "P-192", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" } }
    # a cron at half past
    schedule = { expression = "cron(30 8 1 * ? *)" }
    # a file that is not python
    target = { type = "python", file = "tests/fixtures/package.zip" }
    # a reserved concurrency of 0
    function = { reserved_concurrency = 0 }
  }

  expect_failures = [
    var.exclude_characters,
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_11_is_refused" {
  command = plan

  variables {
    # rsa without a kms key
    generators = { "" = { type = "rsa" } }
    # a cron of one year
    schedule = { expression = "cron(0 8 1 * ? 2030)" }
    # a file and a package
    target  = { type = "python", file = "tests/fixtures/my_target.py" }
    package = { path = "tests/fixtures/package.zip" }
    # a reserved concurrency of 9
    function = { reserved_concurrency = 9 }
  }

  expect_failures = [
    var.generators,
    var.schedule,
    var.target,
    var.function,
  ]
}

run "every_fault_of_round_12_is_refused" {
  command = plan

  variables {
    # a kms key for hex
    generators = { "" = { type = "hex", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" } }
    # a cron with two kinds of day
    schedule = { expression = "cron(0 8 1 * MON *)" }
    # subnets without security groups
    network = { subnet_ids = ["subnet-1"] }
    # a package without path and s3
    package = {}
  }

  expect_failures = [
    var.generators,
    var.schedule,
    var.network,
    var.package,
  ]
}

run "every_fault_of_round_13_is_refused" {
  command = plan

  variables {
    # a public key for hex
    keys       = ["key"]
    generators = { key = { type = "hex", public_key = "public" } }
    # a cron with no kind of day
    schedule = { expression = "cron(0 8 ? * ? *)" }
    # security groups without subnets
    network = { security_group_ids = ["sg-1"] }
    # a package with path and s3
    package = { path = "tests/fixtures/package.zip", s3 = { bucket = "b", key = "k" } }
  }

  expect_failures = [
    var.generators,
    var.schedule,
    var.network,
    var.package,
  ]
}

run "every_fault_of_round_14_is_refused" {
  command = plan

  variables {
    # a kms alias for a key pair
    generators = { "" = { type = "ec", kms_key_arn = "alias/app" } }
    # a cron at 25 o clock
    schedule = { expression = "cron(0 25 1 * ? *)" }
    # a package that is not there
    package = { path = "tests/fixtures/nowhere.zip" }
  }

  expect_failures = [
    var.generators,
    var.schedule,
    var.package,
  ]
}

run "every_fault_of_round_15_is_refused" {
  command = plan

  variables {
    # a key pair without a key for the public half
    keys       = ["key"]
    generators = { key = { type = "rsa", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" } }
    # a cron on the 32nd
    schedule = { expression = "cron(0 8 32 * ? *)" }
  }

  expect_failures = [
    var.generators,
    var.schedule,
  ]
}

run "every_fault_of_round_16_is_refused" {
  command = plan

  variables {
    # a public half over the private one
    keys       = ["key"]
    generators = { key = { type = "rsa", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", public_key = "key" } }
    # a cron in month 13
    schedule = { expression = "cron(0 8 1 13 ? *)" }
  }

  expect_failures = [
    var.generators,
    var.schedule,
  ]
}

run "every_fault_of_round_17_is_refused" {
  command = plan

  variables {
    # two public halves in one key
    keys = ["a", "b"]
    generators = {
      a = { type = "rsa", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", public_key = "public" }
      b = { type = "ec", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", public_key = "public" }
    }
    # a cron on an unknown weekday
    schedule = { expression = "cron(0 8 ? * FUNDAY *)" }
  }

  expect_failures = [
    var.generators,
    var.schedule,
  ]
}

run "every_fault_of_round_18_is_refused" {
  command = plan

  variables {
    # a public half in plain text
    generators = { "" = { type = "ec", kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", public_key = "public" } }
    # a cron whose range runs backwards
    schedule = { expression = "cron(0 9-8 * * ? *)" }
  }

  expect_failures = [
    var.generators,
    var.schedule,
  ]
}

run "every_fault_of_round_19_is_refused" {
  command = plan

  variables {
    # no keys
    keys = []
    # a duration in minutes
    schedule = { days = 1, duration = "90m" }
  }

  expect_failures = [
    var.keys,
    var.schedule,
  ]
}

run "every_fault_of_round_20_is_refused" {
  command = plan

  variables {
    # an empty key
    keys = ["password", ""]
    # a duration of 25 hours
    schedule = { days = 2, duration = "25h" }
  }

  expect_failures = [
    var.keys,
    var.schedule,
  ]
}

run "every_fault_of_round_21_is_refused" {
  command = plan

  variables {
    # a key named twice
    keys = ["password", "password"]
  }

  expect_failures = [
    var.keys,
  ]
}

run "a_secret_of_another_region_account_or_partition_is_refused" {
  command = plan

  variables {
    secrets = {
      region    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:app-AbCdEf"
      account   = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:app-AbCdEf"
      partition = "arn:aws-cn:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
    }
  }

  expect_failures = [
    aws_secretsmanager_secret_rotation.this["region"],
    aws_secretsmanager_secret_rotation.this["account"],
    aws_secretsmanager_secret_rotation.this["partition"],
  ]
}

run "a_cron_every_hour_is_refused" {
  command = plan

  variables {
    schedule = { expression = "cron(0 * * * ? *)" }
  }

  expect_failures = [aws_secretsmanager_secret_rotation.this]
}

run "a_cron_over_midnight_every_2_hours_is_refused" {
  command = plan

  variables {
    schedule = { expression = "cron(0 1,23 * * ? *)" }
  }

  expect_failures = [aws_secretsmanager_secret_rotation.this]
}

run "a_duration_longer_than_the_rate_is_refused" {
  command = plan

  variables {
    schedule = { expression = "rate(4 hours)", duration = "5h" }
  }

  expect_failures = [aws_secretsmanager_secret_rotation.this]
}

run "a_duration_into_the_next_day_is_refused" {
  command = plan

  variables {
    schedule = { expression = "cron(0 22 1 * ? *)", duration = "3h" }
  }

  expect_failures = [aws_secretsmanager_secret_rotation.this]
}

run "a_duration_longer_than_between_two_hours_of_a_cron_is_refused" {
  command = plan

  variables {
    schedule = { expression = "cron(0 0/6 * * ? *)", duration = "7h" }
  }

  expect_failures = [aws_secretsmanager_secret_rotation.this]
}

run "a_statement_with_the_name_of_one_of_ours_is_refused" {
  command = plan

  variables {
    role = { statements = { WriteLogs = { actions = ["s3:GetObject"], resources = ["*"] } } }
  }

  expect_failures = [aws_iam_role_policy.function]
}

run "a_policy_over_10240_characters_is_refused" {
  command = plan

  variables {
    role = { statements = { ReadIt = { actions = ["s3:GetObject"], resources = [for i in range(400) : "arn:aws:s3:::bucket-number-${i}/*"] } } }
  }

  expect_failures = [aws_iam_role_policy.function]
}

run "an_environment_over_4_kilobytes_is_refused" {
  command = plan

  variables {
    keys = [for i in range(400) : "password_${i}"]
  }

  expect_failures = [aws_lambda_function.rotation]
}

run "an_access_key_needs_its_two_keys" {
  command = plan

  variables {
    keys   = ["secret_access_key"]
    target = { type = "iam_access_key", settings = { user_arn = "arn:aws:iam::123456789012:user/app" } }
  }

  expect_failures = [aws_lambda_function.rotation]
}

run "an_access_key_is_in_one_secret" {
  command = plan

  variables {
    secrets = {
      app   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf"
      other = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-AbCdEf"
    }
    keys   = ["access_key_id", "secret_access_key"]
    target = { type = "iam_access_key", settings = { user_arn = "arn:aws:iam::123456789012:user/app" } }
  }

  expect_failures = [aws_lambda_function.rotation]
}

run "an_access_key_may_have_other_names" {
  command = plan

  variables {
    keys   = ["secret", "id"]
    target = { type = "iam_access_key", settings = { user_arn = "arn:aws:iam::123456789012:user/app", access_key_id_key = "id", secret_access_key_key = "secret" } }
  }

  assert {
    condition     = aws_lambda_function.rotation.environment[0].variables.SECRET_KEYS == jsonencode(["secret", "id"])
    error_message = "The keys that the settings name are the ones to rotate."
  }
}
