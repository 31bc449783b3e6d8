# The zip of the function.
#
# A data source makes its file where it is read. Read at plan, the zip is missing on the runner that applies a saved
# plan; read at every apply, every plan has a difference. So it waits for terraform_data.package, which changes exactly
# when the function will need the zip, and is then read at apply. The rejected options: the archive_file resource, which
# is planned again on every runner that lacks the file, and a zip in the repository, which nobody can review.
#
# What stays: a function that is made again though nothing here has changed (deleted by hand, tainted, its first creation
# failed, -replace) needs a zip that a saved plan on a clean runner does not bring. Plan then with
# -replace='<address of this module>.terraform_data.package[0]', or apply where it was planned.

locals {
  code_files = merge(
    { for name in fileset(local.lambda_src, "**/*.py") : name => "${local.lambda_src}/${name}" },
    { "secret_rotation/catalogue.json" = "${local.lambda_src}/secret_rotation/catalogue.json" },
    var.target.file == null ? {} : { "custom_target.py" = var.target.file },
  )
  # A checkout with CRLF must give the same zip, and the caller's own file is not under our .gitattributes.
  code = var.package != null ? {} : { for name, path in local.code_files : name => replace(file(path), "\r\n", "\n") }

  # Relative to the root module, so the same on every runner: another path would be another upload. As unique as the
  # function is, since instances that write one file give each other half a zip.
  zip_path = join("/", [
    path.root, ".terraform/secret-rotation", local.account_id, local.region, "${var.name}.zip",
  ])

  s3           = try(var.package.s3, null)
  package_hash = var.package == null ? null : local.s3 == null ? filebase64sha256(var.package.path) : local.s3.hash
}

resource "terraform_data" "package" {
  count = var.package == null ? 1 : 0

  input = {
    code = sha256(jsonencode(local.code))
    # The path names what replaces the function (account, region, name). A change of architecture uploads again too.
    zip          = local.zip_path
    architecture = var.function.architecture
  }
}

data "archive_file" "package" {
  count = var.package == null ? 1 : 0

  type        = "zip"
  output_path = local.zip_path

  # `source` and not `source_dir`: the modes of files would change the hash.
  dynamic "source" {
    for_each = local.code
    content {
      filename = source.key
      content  = source.value
    }
  }

  depends_on = [terraform_data.package]
}
