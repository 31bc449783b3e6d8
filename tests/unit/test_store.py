"""Each call of the store by itself, against moto, which knows the shapes of requests and answers.

moto is not used for more: its labels and rotations are not those of AWS (see ``rotation_lab.model``).
"""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from rotation_lab.model.secrets_manager import REGION
from secret_rotation import errors
from secret_rotation.credential import Credential
from secret_rotation.deadline import Deadline
from secret_rotation.logs import Log
from secret_rotation.store import CURRENT, PENDING, Description, Secrets, Store
from tests.support.function import LambdaContext

TOKEN = "00000000-0000-4000-8000-000000000000"
SESSION = boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")
"""Of all tests: a session of its own reads the description of the API again, for half a second."""


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield SESSION.client("secretsmanager")


@pytest.fixture
def store(client: Any) -> Store:
    arn = client.create_secret(Name="s", SecretString="old")["ARN"]
    deadline = Deadline()
    deadline.start(LambdaContext())
    return Store(Secrets(lambda _: client, Log()), arn, TOKEN, None, deadline, ())


def put(client: Any, store: Store, labels: list[str]) -> None:
    client.put_secret_value(
        SecretId=store.secret_id, ClientRequestToken=TOKEN, SecretString="new", VersionStages=labels
    )


def text(found: Credential | None) -> str | None:
    return found.text if found else None


def test_labels_are_described(client: Any, store: Store) -> None:
    put(client, store, [PENDING])
    about = store.describe()
    assert about.holder(PENDING) == TOKEN
    assert about.holder(CURRENT) not in (None, TOKEN)
    assert about.holder("other") is None
    assert about.rotation_enabled is False


def test_a_value_is_read_by_version(client: Any, store: Store) -> None:
    put(client, store, [PENDING])
    assert text(store.value(TOKEN)) == "new"
    assert text(store.value(str(store.describe().holder(CURRENT)))) == "old"


def test_a_version_that_is_not_there_has_no_value(store: Store) -> None:
    assert store.value(TOKEN) is None


def test_a_binary_value_is_refused(client: Any, store: Store) -> None:
    client.put_secret_value(SecretId=store.secret_id, ClientRequestToken=TOKEN, SecretBinary=b"x")
    with pytest.raises(errors.SecretBinaryError):
        store.value(TOKEN)


def test_a_value_is_put_as_pending(store: Store) -> None:
    assert store.put_pending("new") is True
    assert store.describe().holder(PENDING) == TOKEN
    assert text(store.value(TOKEN)) == "new"


def test_current_is_moved(client: Any, store: Store) -> None:
    put(client, store, [PENDING])
    store.promote(store.describe().holder(CURRENT))
    assert store.describe().holder(CURRENT) == TOKEN


@pytest.mark.parametrize(("length", "excluded"), [(32, ""), (64, "abc"), (4, "/@")])
def test_a_password_is_made(store: Store, length: int, excluded: str) -> None:
    made = store.random_password(PasswordLength=length, ExcludeCharacters=excluded)
    assert len(made) == length
    assert not set(made) & set(excluded)


def test_a_secret_that_is_not_there_is_an_error_of_secrets_manager(client: Any) -> None:
    with pytest.raises(errors.StoreError, match=r"secretsmanager:DescribeSecret.*ResourceNotFound"):
        Store(Secrets(lambda _: client, Log()), "none", TOKEN, None, Deadline(), ()).describe()


def test_labels_after_the_move_are_known_without_a_call() -> None:
    about = Description(True, {"a": frozenset({"AWSPREVIOUS"}), "b": frozenset({CURRENT}), "c": frozenset({PENDING})})
    assert about.promoted("c").labels == {"a": set(), "b": {"AWSPREVIOUS"}, "c": {PENDING, CURRENT}}
    assert Description(True, {"c": frozenset({PENDING})}).promoted("c").labels == {"c": {PENDING, CURRENT}}
