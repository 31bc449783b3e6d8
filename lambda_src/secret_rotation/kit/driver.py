"""The driver of a service, which comes in a layer."""

from ..errors import ConfigurationError


def missing(name: str) -> ConfigurationError:
    """The error when the function lacks the Python package ``name``."""
    return ConfigurationError(
        f"The driver {name!r} is not in the function. Build the layer with `make layer` and attach it with "
        "`function.layers`."
    )
