# The zip of the function, and what replaces it.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-central-1", name = "eu-central-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/app" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:app" }
  }
}
mock_provider "archive" {}

variables {
  name    = "app"
  secrets = { app = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf" }
}

run "the_zip_has_the_code_and_nothing_else" {
  assert {
    condition = toset(data.archive_file.package[0].source[*].filename) == setunion(
      fileset("./lambda_src", "**/*.py"), ["secret_rotation/catalogue.json"]
    )
    error_message = "The zip has ${jsonencode(data.archive_file.package[0].source[*].filename)}."
  }
  assert {
    condition     = contains(data.archive_file.package[0].source[*].filename, "lambda_function.py") && aws_lambda_function.rotation.handler == "lambda_function.lambda_handler"
    error_message = "The zip must have the function's handler."
  }
  assert {
    condition     = length([for content in data.archive_file.package[0].source[*].content : content if strcontains(content, "\r")]) == 0
    error_message = "The zip must not depend on the line endings of a checkout."
  }
  assert {
    condition = (
      data.archive_file.package[0].output_path == "./.terraform/secret-rotation/123456789012/eu-central-1/app.zip" &&
      aws_lambda_function.rotation.filename == data.archive_file.package[0].output_path
    )
    error_message = "The zip needs a path of its own that is the same on every runner."
  }
  assert {
    condition     = aws_lambda_function.rotation.source_code_hash == data.archive_file.package[0].output_base64sha256
    error_message = "The function must change with the zip."
  }
}

run "without_a_change_of_the_code_nothing_waits_for_the_zip" {
  command = plan

  variables {
    function = { memory = 512 }
  }

  assert {
    condition     = aws_lambda_function.rotation.source_code_hash == data.archive_file.package[0].output_base64sha256
    error_message = "The hash must be known at plan."
  }
}

run "an_own_target_is_added_to_the_zip" {
  variables {
    target = { type = "python", file = "tests/fixtures/my_target.py", settings = { url = "https://example.com" } }
  }

  assert {
    condition = one([
      for source in data.archive_file.package[0].source : source.content if source.filename == "custom_target.py"
    ]) == file("tests/fixtures/my_target.py")
    error_message = "The file must be in the zip as custom_target.py."
  }
  assert {
    condition     = aws_lambda_function.rotation.environment[0].variables.TARGET == "python"
    error_message = "The function must use it."
  }
}

run "a_local_zip_replaces_ours" {
  command = plan

  variables {
    package = { path = "tests/fixtures/package.zip" }
  }

  assert {
    condition = (
      aws_lambda_function.rotation.filename == "tests/fixtures/package.zip" &&
      aws_lambda_function.rotation.source_code_hash == filebase64sha256("tests/fixtures/package.zip")
    )
    error_message = "The function must be made of the package."
  }
  assert {
    condition     = length(data.archive_file.package) == 0 && length(terraform_data.package) == 0
    error_message = "No zip of ours is made."
  }
}

run "an_object_in_s3_replaces_ours" {
  command = plan

  variables {
    target  = { type = "python" } # its file is in the package
    package = { s3 = { bucket = "code", key = "rotation.zip", version = "1", hash = "aGFzaA==" } }
  }

  assert {
    condition = (
      aws_lambda_function.rotation.s3_bucket == "code" &&
      aws_lambda_function.rotation.s3_key == "rotation.zip" &&
      aws_lambda_function.rotation.s3_object_version == "1" &&
      aws_lambda_function.rotation.source_code_hash == "aGFzaA==" &&
      aws_lambda_function.rotation.filename == null
    )
    error_message = "The function must be made of the object."
  }
}
