"""RSA key pairs from KMS."""

import base64

import pytest

from tests.settings_cases import KEY
from tests.support.made import Source, make


@pytest.mark.parametrize(("bits", "spec"), [(None, "RSA_2048"), (3072, "RSA_3072"), ("4096", "RSA_4096")])
def test_kms_is_asked_for_a_key_of_the_size(bits: object, spec: str) -> None:
    source = Source()
    make(source, type="rsa", kms_key_arn=KEY, bits=bits)
    assert source.pairs == [(KEY, spec)]


def test_a_key_pair_is_pem_of_what_kms_makes() -> None:
    assert make(type="rsa", kms_key_arn=KEY, public_key="public") == {
        "k": "-----BEGIN PRIVATE KEY-----\n" + pem(b"\x30" * 100) + "-----END PRIVATE KEY-----\n",
        "public": "-----BEGIN PUBLIC KEY-----\n" + pem(b"\x31" * 10) + "-----END PUBLIC KEY-----\n",
    }


def pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    return "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))


def test_the_public_half_is_left_out_unless_it_has_a_key() -> None:
    assert set(make(type="rsa", kms_key_arn=KEY)) == {"k"}
