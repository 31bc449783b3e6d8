"""All that is in the function's own zip: the code is in a layer, which Lambda unpacks into /opt."""

import sys

# Last on the path: what Lambda and the layers with drivers bring goes first. /opt is another folder in the local AWS.
sys.path += [entry.removesuffix("/python") for entry in sys.path if entry.endswith("/opt/python")] or ["/opt"]

from secret_rotation.handler import lambda_handler

__all__ = ["lambda_handler"]
