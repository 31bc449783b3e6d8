"""What generators get from AWS: passwords from Secrets Manager, key pairs from KMS."""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import aws
from .password import Password
from .store import Store


class AwsSource(NamedTuple):
    """A ``generators.Source``."""

    store: Store
    client: Callable[..., Any]
    password: Password

    def random_password(self) -> str:
        """GetRandomPassword of Secrets Manager."""
        return self.store.random_password(**self.password.options())

    def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
        """GenerateDataKeyPair of KMS: the private and the public key, both DER."""
        kms = self.client("kms")
        with aws.calling("kms:GenerateDataKeyPair"):
            answer = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec)
        return answer["PrivateKeyPlaintext"], answer["PublicKey"]
