# The zip of the function, and what replaces it.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012", arn = "arn:aws:iam::123456789012:user/test" }
  }
  mock_data "aws_service_principal" {
    defaults = { region = "eu-central-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/app" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/app" }
  }
  mock_resource "aws_lambda_layer_version" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:layer:app:1" }
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

run "the_code_is_a_layer_and_the_function_s_own_zip_never_changes" {
  assert {
    condition = (
      data.archive_file.layer["code"].source_dir == "./lambda_src" &&
      data.archive_file.layer["code"].output_file_mode == "0644" &&
      data.archive_file.layer["code"].output_path == "./.terraform/secret-rotation/${terraform_data.package.id}/code.zip"
    )
    error_message = "The zip must be the folder's, with the same modes everywhere, in a path of its own."
  }
  assert {
    condition     = aws_lambda_function.rotation.layers == tolist([aws_lambda_layer_version.layer["code"].arn])
    error_message = "The function must have the layer."
  }
  assert {
    condition     = aws_lambda_function.rotation.filename == "./bootstrap/function.zip" && aws_lambda_function.rotation.handler == "lambda_function.lambda_handler"
    error_message = "The function's own zip is a file of the module."
  }
}

run "an_own_target_is_a_layer_of_its_own" {
  variables {
    build_folder = "./build/zips"
    target       = { type = "python", file = "tests/fixtures/my_target.py", settings = { url = "https://example.com" } }
  }

  assert {
    condition     = data.archive_file.layer["target"].source_file == "tests/fixtures/my_target.py" && startswith(data.archive_file.layer["target"].output_path, "./build/zips/")
    error_message = "The file must be in the layer, whose zip is in the build folder."
  }
  assert {
    condition = aws_lambda_function.rotation.environment[0].variables == tomap({
      TARGET          = "python"
      TARGET_FILE     = "my_target.py"
      TARGET_SETTINGS = "{\"url\":\"https://example.com\"}"
    })
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
    condition     = length(aws_lambda_layer_version.layer) == 0 && length(data.archive_file.layer) == 0
    error_message = "No layer of ours is made."
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
