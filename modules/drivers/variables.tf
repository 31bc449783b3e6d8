variable "name" {
  description = "Name of the layer."
  type        = string
  default     = "secret-rotation-drivers"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name is ${jsonencode(var.name)}; allowed are 1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "python" {
  description = "Python 3.11 or later with pip, on the machine that applies."
  type        = string
  default     = "python3"
  nullable    = false
}

variable "bytecode" {
  description = "Interpreters (`python3.13`, or a path) whose bytecode the layer holds too, for quicker cold starts on the runtimes of these versions."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "build_folder" {
  description = "Folder in which the zip is written. Null: `.terraform/secret-rotation` in the root module's folder."
  type        = string
  default     = null
}
