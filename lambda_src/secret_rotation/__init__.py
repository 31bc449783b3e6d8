"""Rotate a secret of AWS Secrets Manager: plain text, or chosen keys of a JSON object."""
