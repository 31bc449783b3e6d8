"""A password from Secrets Manager. Its length and characters are settings of the function, for all keys alike."""

from collections.abc import Mapping

from . import Source


def make(key: str, _: Mapping[str, str], source: Source) -> dict[str, str]:
    """One call of GetRandomPassword."""
    return {key: source.random_password()}
