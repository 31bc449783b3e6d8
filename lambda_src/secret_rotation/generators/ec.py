"""An elliptic-curve key pair from KMS."""

from collections.abc import Mapping

from . import Source, _key_pair

_SPECS = {
    "P-256": "ECC_NIST_P256",
    "P-384": "ECC_NIST_P384",
    "P-521": "ECC_NIST_P521",
    "secp256k1": "ECC_SECG_P256K1",
}
"""Curve => its name in KMS."""


def make(key: str, settings: Mapping[str, str], source: Source) -> dict[str, str]:
    """One call of GenerateDataKeyPair."""
    return _key_pair.make(key, settings, source, _SPECS[settings["curve"]])
