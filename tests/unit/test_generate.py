"""New values."""

import base64
import string
import uuid

import boto3
import pytest
from botocore.stub import Stubber

from rotation_lab.model.secrets_manager import REGION, SecretsManager
from secret_rotation import generate
from secret_rotation.deadline import Deadline
from secret_rotation.errors import AccessDeniedError, SettingError
from secret_rotation.logs import Log
from secret_rotation.rotation import Source
from secret_rotation.store import Secrets, Store

PASSWORD = generate.Password()


class Made:
    """A source that gives fixed values and keeps what it was asked."""

    def __init__(self) -> None:
        self.options: dict[str, object] = {}
        self.pair: tuple[str, str] | None = None

    def random_password(self, **options: object) -> str:
        self.options = options
        return "made"

    def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
        self.pair = (key_id, spec)
        return b"\x30" * 100, b"\x31" * 10


def make(spec: dict[str, object]) -> str:
    return generate.parse("k", spec, PASSWORD).make("k", Made())["k"]


def test_a_password_is_asked_for_with_every_option() -> None:
    source = Made()
    password = generate.Password(20, "abc", exclude_numbers=True, include_space=True, require_each_included_type=False)
    assert password.make("k", source) == {"k": "made"}
    assert source.options == {
        "PasswordLength": 20,
        "ExcludeCharacters": "abc",
        "ExcludeNumbers": True,
        "ExcludePunctuation": False,
        "ExcludeUppercase": False,
        "ExcludeLowercase": False,
        "IncludeSpace": True,
        "RequireEachIncludedType": False,
    }


@pytest.mark.parametrize(
    ("option", "characters"),
    [
        ("exclude_numbers", string.digits),
        ("exclude_punctuation", string.punctuation),
        ("exclude_uppercase", string.ascii_uppercase),
        ("exclude_lowercase", string.ascii_lowercase),
    ],
)
def test_an_excluded_class_is_asked_for_by_its_own_name(option: str, characters: str) -> None:
    manager = SecretsManager()
    store = Store(Secrets(lambda _: manager.client(), Log()), "id", "token", None, Deadline(), ())
    source = Source(store, manager.client)
    made = generate.Password(200, **{option: True}).make("k", source)["k"]  # type: ignore[arg-type]
    assert not set(made) & set(characters)
    assert len(made) == 200


@pytest.mark.parametrize("size", [1, 32, 4096])
def test_hex_and_base64_hold_so_many_bytes(size: int) -> None:
    assert len(bytes.fromhex(make({"type": "hex", "bytes": size}))) == size
    assert len(base64.b64decode(make({"type": "base64", "bytes": size}), validate=True)) == size


def test_hex_and_base64_hold_32_bytes_unless_told() -> None:
    assert len(bytes.fromhex(make({"type": "hex"}))) == 32
    assert len(base64.b64decode(make({"type": "base64"}))) == 32


def test_a_uuid_is_random() -> None:
    assert uuid.UUID(make({"type": "uuid"})).version == 4


@pytest.mark.parametrize("kind", ["hex", "base64", "uuid"])
def test_no_value_comes_twice(kind: str) -> None:
    assert len({make({"type": kind}) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "rsa"}, "RSA_2048"),
        ({"type": "rsa", "bits": 4096}, "RSA_4096"),
        ({"type": "ec"}, "ECC_NIST_P256"),
        ({"type": "ec", "curve": "P-384"}, "ECC_NIST_P384"),
        ({"type": "ec", "curve": "P-521"}, "ECC_NIST_P521"),
        ({"type": "ec", "curve": "secp256k1"}, "ECC_SECG_P256K1"),
    ],
)
def test_a_key_pair_is_pem_of_what_kms_makes(spec: dict[str, object], expected: str) -> None:
    source = Made()
    spec |= {"kms_key_arn": "arn", "public_key": "public"}
    pair = generate.parse("k", spec, PASSWORD).make("k", source)
    assert source.pair == ("arn", expected)
    assert pair == {
        "k": "-----BEGIN PRIVATE KEY-----\n" + pem(b"\x30" * 100) + "-----END PRIVATE KEY-----\n",
        "public": "-----BEGIN PUBLIC KEY-----\n" + pem(b"\x31" * 10) + "-----END PUBLIC KEY-----\n",
    }


def pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    return "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))


def test_the_public_half_is_left_out_unless_it_has_a_key() -> None:
    assert set(generate.parse("k", {"type": "rsa", "kms_key_arn": "arn"}, PASSWORD).make("k", Made())) == {"k"}


def kms() -> tuple[Stubber, Source]:
    session = boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
    client = session.client("kms")
    store = Store(Secrets(lambda _: SecretsManager().client(), Log()), "id", "token", None, Deadline(), ())
    return Stubber(client), Source(store, {"kms": client}.__getitem__)


def test_a_pair_comes_from_kms() -> None:
    stubber, source = kms()
    answer = {"PrivateKeyPlaintext": b"private", "PublicKey": b"public"}
    stubber.add_response("generate_data_key_pair", answer, {"KeyId": "arn", "KeyPairSpec": "RSA_2048"})
    with stubber:
        assert source.key_pair("arn", "RSA_2048") == (b"private", b"public")


def test_a_refusal_of_kms_names_the_action() -> None:
    stubber, source = kms()
    stubber.add_client_error("generate_data_key_pair", "AccessDeniedException", "not authorized")
    with stubber, pytest.raises(AccessDeniedError, match=r"kms:GenerateDataKeyPair.*not authorized"):
        source.key_pair("arn", "RSA_2048")


@pytest.mark.parametrize(
    "spec", [None, 5, "uuid", [], {}, {"type": None}, {"type": {}}, {"type": "uuid", "x": 1}, {"type": "\ud800"}]
)
def test_a_malformed_entry_is_refused_and_its_key_named(spec: object) -> None:
    with pytest.raises(SettingError, match="'k'"):
        generate.parse("k", spec, PASSWORD)


def test_a_refusal_can_be_printed_whatever_the_option_is_called() -> None:
    with pytest.raises(SettingError) as caught:
        generate.parse("k", {"type": "uuid", "\ud800": 1}, PASSWORD)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("space", [False, True])
def test_a_password_must_be_long_enough_for_one_of_each_class(space: bool) -> None:
    generate.Password(4, include_space=space)
    with pytest.raises(SettingError, match="4 classes"):
        generate.Password(3, include_space=space)
