"""Where key pairs come from."""

import boto3
import pytest
from botocore.stub import Stubber

from rotation_lab.model.secrets_manager import REGION, SecretsManager
from secret_rotation.deadline import Deadline
from secret_rotation.errors import AccessDeniedError
from secret_rotation.logs import Log
from secret_rotation.password import Password
from secret_rotation.source import AwsSource
from secret_rotation.store import Secrets, Store


def kms() -> tuple[Stubber, AwsSource]:
    session = boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
    client = session.client("kms")
    store = Store(Secrets(lambda _: SecretsManager().client(), Log()), "id", "token", None, Deadline(), ())
    return Stubber(client), AwsSource(store, {"kms": client}.__getitem__, Password())


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
