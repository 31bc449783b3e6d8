"""An RSA key pair from KMS."""

from collections.abc import Mapping

from . import Source, _key_pair


def make(key: str, settings: Mapping[str, str], source: Source) -> dict[str, str]:
    """One call of GenerateDataKeyPair."""
    return _key_pair.make(key, settings, source, f"RSA_{settings['bits']}")
