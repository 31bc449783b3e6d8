output "layer_arn" {
  description = "ARN of the layer's version, for `function.layers`."
  value       = aws_lambda_layer_version.drivers.arn
}
