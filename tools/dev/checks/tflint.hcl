# Terraform's own rules, which come with tflint. The rules of AWS are a plugin that is downloaded: not here.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# Files are named after what they hold (schedule.tf, iam.tf), not all variables in variables.tf.
rule "terraform_standard_module_structure" {
  enabled = false
}
