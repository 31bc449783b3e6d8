# The Lambda layer with the database drivers, built where Terraform applies (tools/dev/layer.py: Python with pip is enough).

locals {
  repository   = "${path.module}/../.."
  requirements = "${local.repository}/tools/requirements/layer.txt"
  zip          = "${coalesce(var.build_folder, "${path.root}/.terraform/secret-rotation")}/${var.name}.zip"
}

resource "terraform_data" "zip" {
  # The pins, by hash: the same pins are the same bytes.
  triggers_replace = concat([filesha256(local.requirements), var.name], var.bytecode)

  provisioner "local-exec" {
    command = "\"$PYTHON\" \"$SCRIPT\" \"$ZIP\" $BYTECODE"
    environment = {
      PYTHON   = var.python
      SCRIPT   = abspath("${local.repository}/tools/dev/layer.py")
      ZIP      = abspath(local.zip)
      BYTECODE = join(" ", var.bytecode)
    }
  }
}

resource "aws_lambda_layer_version" "drivers" {
  layer_name  = var.name
  description = "Database drivers for secret rotation"
  filename    = local.zip

  lifecycle {
    create_before_destroy = true       # the function goes on with the old version until it has the new one
    ignore_changes        = [filename] # another path is not another layer
    replace_triggered_by  = [terraform_data.zip]
  }

  depends_on = [terraform_data.zip]
}
