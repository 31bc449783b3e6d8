"""Elliptic-curve key pairs from KMS."""

import pytest

from tests.settings_cases import KEY
from tests.support.made import Source, make


@pytest.mark.parametrize(
    ("curve", "spec"),
    [
        (None, "ECC_NIST_P256"),
        ("P-256", "ECC_NIST_P256"),
        ("P-384", "ECC_NIST_P384"),
        ("P-521", "ECC_NIST_P521"),
        ("secp256k1", "ECC_SECG_P256K1"),
    ],
)
def test_kms_is_asked_for_a_key_on_the_curve(curve: object, spec: str) -> None:
    source = Source()
    pair = make(source, type="ec", kms_key_arn=KEY, public_key="public", curve=curve)
    assert source.pairs == [(KEY, spec)]
    assert set(pair) == {"k", "public"}
