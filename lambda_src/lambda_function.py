"""Lambda's default handler name, so that this zip also replaces AWS's rotation template as it is."""

from secret_rotation.handler import lambda_handler

__all__ = ["lambda_handler"]
