"""Every generator, in the function as it is: each value is used for what it is, and KMS is asked for nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from rotation_lab.sandbox.client import Sandbox
from secret_rotation import catalogue, generators
from tests.lab.conftest import LOGS, PASSWORDS, SECRETS, Function, Secret
from tests.lab.evidence import own
from tools.dev.providers import ROOT

pytestmark = own("this project's function, in it")

Make = Callable[..., Function]
MakeSecret = Callable[..., Secret]

SOURCES = ROOT / "lambda_src"
FILES = {
    str(path.relative_to(SOURCES)): path.read_text("utf-8")
    for pattern in ("*.py", "*.json")
    for path in SOURCES.rglob(pattern)
}
PAIRS: dict[str, tuple[dict[str, object], str]] = {
    "rsa": ({"type": "rsa"}, "2048"),
    "rsa_3072": ({"type": "rsa", "bits": 3072}, "3072"),
    "ec": ({"type": "ec"}, "secp256r1"),
    "ec_384": ({"type": "ec", "curve": "P-384"}, "secp384r1"),
    "ec_521": ({"type": "ec", "curve": "P-521"}, "secp521r1"),
    "ec_k1": ({"type": "ec", "curve": "secp256k1"}, "secp256k1"),
}
TEXTS: dict[str, dict[str, object]] = {
    "password": {"type": "password"},
    "hex": {"type": "hex", "bytes": 20},
    "base64": {"type": "base64", "bytes": 64},
    "uuid": {"type": "uuid"},
}


@pytest.fixture(scope="module")
def kms_key(aws: Sandbox) -> str:
    return str(aws.client("kms").create_key()["KeyMetadata"]["Arn"])


def settings(kms_key: str) -> dict[str, str]:
    pairs = {
        name: {**spec, "kms_key_arn": kms_key, "public_key": f"{name}_public"} for name, (spec, _) in PAIRS.items()
    }
    entries = {**pairs, **TEXTS}
    return {"SECRET_KEYS": json.dumps(list(entries)), "GENERATORS": json.dumps(entries)}


def document(password: str = "first") -> str:
    """What the application has put, as it has written it: rotation must not touch the rest."""
    members = [f'"{name}" : "first",  "{name}_public":"first"' for name in PAIRS]
    members += [f'"{name}": "{password}"' for name in TEXTS]
    return (
        "{\n " + ",\n ".join([*members, '"ratio": 1.50', '"note": "caf\\u00e9"', '"nested": {"hex": "stays"}']) + "}\n"
    )


def kind(key: Any) -> str:
    return str(key.key_size) if isinstance(key, rsa.RSAPrivateKey) else str(key.curve.name)


def check_pair(private: str, public: str, expected: str) -> None:
    key = load_pem_private_key(private.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert kind(key) == expected
    assert load_pem_public_key(public.encode()) == key.public_key()


def test_each_key_gets_what_its_generator_makes_and_the_rest_stays(
    make_secret: MakeSecret, make_function: Make, kms_key: str
) -> None:
    secret, function = make_secret(document()), make_function(FILES, settings(kms_key), {})
    function.allow(SECRETS, PASSWORDS, LOGS, {"Action": "kms:GenerateDataKeyPair", "Resource": kms_key})
    values = []
    for _ in range(2):
        assert secret.rotated(function)["result"] == "ok", function.log()
        values.append(json.loads(secret.value()))
        for name, (_, expected) in PAIRS.items():
            check_pair(values[-1][name], values[-1][f"{name}_public"], expected)
        assert len(bytes.fromhex(values[-1]["hex"])) == 20
        assert len(base64.b64decode(values[-1]["base64"], validate=True)) == 64
        assert uuid.UUID(values[-1]["uuid"]).version == 4
        assert len(values[-1]["password"]) == 32
    rotating = {*PAIRS, *TEXTS, *(f"{name}_public" for name in PAIRS)}
    assert all(values[0][name] != values[1][name] for name in rotating)
    # Byte for byte: with the new values put back to the first ones, the document is what it was.
    text = secret.value()
    for name in rotating:
        text = text.replace(json.dumps(values[1][name]), '"first"')
    assert text == document()
    for value in {values[0][name] for name in rotating} | {values[1][name] for name in rotating}:
        assert value not in function.log()


def test_without_the_permission_on_the_kms_key_nothing_is_stored(
    aws: Sandbox, make_secret: MakeSecret, make_function: Make, kms_key: str
) -> None:
    other = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    secret, function = make_secret(document()), make_function(FILES, settings(kms_key), {})
    function.allow(SECRETS, PASSWORDS, LOGS, {"Action": "kms:GenerateDataKeyPair", "Resource": other})
    assert str(secret.rotated(function)["result"]).startswith("createSecret")
    assert "AccessDeniedError" in function.log()
    assert "kms:GenerateDataKeyPair" in function.log()
    assert secret.value() == document()


def test_a_plain_text_secret_may_be_a_private_key(make_secret: MakeSecret, make_function: Make, kms_key: str) -> None:
    entries = {"": {"type": "ec", "kms_key_arn": kms_key}}
    secret, function = make_secret(), make_function(FILES, {"GENERATORS": json.dumps(entries)}, {})
    function.allow(SECRETS, PASSWORDS, LOGS, {"Action": "kms:GenerateDataKeyPair", "Resource": kms_key})
    assert secret.rotated(function)["result"] == "ok", function.log()
    assert isinstance(load_pem_private_key(secret.value().encode(), None), ec.EllipticCurvePrivateKey)


def test_the_largest_rsa_key(aws: Sandbox, kms_key: str) -> None:
    """Not in the function: where a machine is busy, its making may take longer than the function waits."""

    class Kms:
        def random_password(self) -> str:
            raise AssertionError

        def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
            answer = aws.client("kms").generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec)
            return answer["PrivateKeyPlaintext"], answer["PublicKey"]

    spec = {"type": "rsa", "bits": 4096, "kms_key_arn": kms_key, "public_key": "public"}
    pair = generators.load(*catalogue.generator_settings("private", spec)).make("private", Kms())
    check_pair(pair["private"], pair["public"], "4096")
