# The code of the function, in a layer (docs/decisions/0014-packaging.md).
#
# Lambda takes a zip from a file, which has to be there when Terraform applies, on whatever machine that is. So the
# function's own zip is a file of this module that only imports the code: a function that is made again never lacks it.
# The zips of the layers are written at apply whenever a layer is made: terraform_data.package is then replaced, and a
# data source waits for its id.
#
# What stays: a layer that is made again though no code has changed (its first creation failed, -replace), by a saved
# plan on another machine. Plan then with -replace='<address of this module>.terraform_data.package' as well.

locals {
  own_code     = nonsensitive(var.package == null)
  build_folder = coalesce(var.build_folder, "${path.root}/.terraform/secret-rotation")
  s3           = try(var.package.s3, null)

  # Nothing here fails when a file is gone: terraform destroy and a refresh need none. The function has preconditions.
  own_target    = try(fileexists(var.target.file), false)
  function_zip  = local.own_code ? "${path.module}/bootstrap/function.zip" : try(var.package.path, null)
  function_hash = local.s3 == null ? try(filebase64sha256(local.function_zip), null) : local.s3.hash

  # The files that archive_file takes from the folder. Hashes alone reach plan and state.
  code_hash = base64sha256(jsonencode({
    for name in fileset(local.lambda_src, "**") : name => filesha256("${local.lambda_src}/${name}")
    if !endswith(name, ".pyc")
  }))
  layers = merge(
    local.own_code ? { code = { folder = local.lambda_src, file = null, hash = local.code_hash } } : {},
    local.own_target ? { target = { folder = null, file = var.target.file, hash = data.archive_file.target[0].output_sha256 } } : {},
  )
  layers_allowed = 5 - length(local.layers)
}

resource "terraform_data" "package" {
  # The log group's ARN has what else replaces a layer: account, region and name.
  triggers_replace = sha1(join(" ", concat(
    [aws_cloudwatch_log_group.function.arn],
    compact([local.function_hash]),
    [for layer in local.layers : layer.hash],
  )))
}

data "archive_file" "layer" {
  for_each = local.layers

  type             = "zip"
  source_dir       = each.value.folder
  source_file      = each.value.file
  excludes         = each.value.folder == null ? null : ["**/*.pyc"]
  output_path      = "${local.build_folder}/${terraform_data.package.id}/${each.key}.zip"
  output_file_mode = "0644" # the same bytes under every umask, and on Windows
}

# The hash of the caller's own target comes from the provider. Terraform wants the same bytes of file() and filesha256()
# at plan and at apply, and another checkout may have other line ends.
data "archive_file" "target" {
  count = local.own_target ? 1 : 0

  type             = "zip"
  source_file      = var.target.file
  output_path      = "${local.build_folder}/${sha1(aws_cloudwatch_log_group.function.arn)}.zip" # of this call alone
  output_file_mode = "0644"
}

resource "aws_lambda_layer_version" "layer" {
  for_each = local.layers

  layer_name       = "${var.name}-${each.key}"
  filename         = data.archive_file.layer[each.key].output_path
  source_code_hash = each.value.hash

  lifecycle {
    create_before_destroy = true       # the function goes on with the old version until it has the new one
    ignore_changes        = [filename] # another path is not another layer
  }
}
