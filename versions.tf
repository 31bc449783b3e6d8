terraform {
  # 1.9 is the first version whose validations may read other variables and files.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 5.76 is the first version that accepts python3.13. No upper bound: only what 5.x and 6.x share is used.
      version = ">= 5.76"
    }
    archive = {
      source = "hashicorp/archive"
      # 2.5 is the first version that knows ** in excludes.
      version = ">= 2.5"
    }
  }
}
