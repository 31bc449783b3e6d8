"""Key pairs: what is asked of KMS, and where its answer goes."""

import base64
import json
from types import SimpleNamespace

import pytest

from rotation_lab.model.secrets_manager import PENDING, SecretsManager
from secret_rotation.errors import AccessDeniedError
from tests.messages import refused
from tests.settings_cases import KEY
from tests.support.function import RotationFunction


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


class Kms:
    """GenerateDataKeyPair."""

    def __init__(self) -> None:
        self.requests: list[dict[str, str]] = []

    def generate_data_key_pair(self, **request: str) -> dict[str, bytes]:
        self.requests.append(request)
        return {"PrivateKeyPlaintext": b"private half", "PublicKey": b"public half"}


@pytest.fixture
def pairs(manager: SecretsManager) -> SimpleNamespace:
    generators = {"private": {"type": "rsa", "bits": 3072, "kms_key_arn": KEY, "public_key": "public"}}
    keys = json.dumps(["private", "public"])
    function = RotationFunction(manager, GENERATORS=json.dumps(generators), SECRET_KEYS=keys)
    arn = manager.create('{"private": "", "public": "", "other": 1.0}')
    return SimpleNamespace(function=function, arn=arn, token=manager.rotate(arn))


def test_a_key_pair_comes_from_kms_and_goes_to_its_two_keys(manager: SecretsManager, pairs: SimpleNamespace) -> None:
    kms = pairs.function.clients["kms"] = Kms()
    pairs.function("createSecret", pairs.arn, pairs.token)
    assert kms.requests == [{"KeyId": KEY, "KeyPairSpec": "RSA_3072"}]
    stored = json.loads(manager.secrets[pairs.arn].text(PENDING) or "")
    assert base64.b64decode(stored["private"].splitlines()[1]) == b"private half"
    assert base64.b64decode(stored["public"].splitlines()[1]) == b"public half"
    assert stored["other"] == 1.0


def test_the_missing_permission_for_a_key_pair_is_named(pairs: SimpleNamespace) -> None:
    class Refusing:
        def generate_data_key_pair(self, **request: str) -> None:
            raise pairs.function.clients["secretsmanager"].exceptions.ClientError(
                {"Error": {"Code": "AccessDeniedException", "Message": "No kms for you."}}, "GenerateDataKeyPair"
            )

    pairs.function.clients["kms"] = Refusing()
    with refused(AccessDeniedError, "kms:GenerateDataKeyPair", "No kms for you."):
        pairs.function("createSecret", pairs.arn, pairs.token)
