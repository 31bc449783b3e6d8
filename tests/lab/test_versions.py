"""Versions and labels, through the API."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from rotation_lab.model import secret as model
from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Secret
from tests.lab.evidence import api, docs, guide, only_here, recorded, verified

MakeSecret = Callable[..., Secret]


def refused(code: str, message: str = "") -> pytest.RaisesExc[ClientError]:
    return pytest.raises(ClientError, match=rf"\({code}\).*{message}")


def move(secret: Secret, label: str, to: str | None = None, source: str | None = None) -> None:
    given = {"MoveToVersionId": to, "RemoveFromVersionId": source}
    secret.aws.client("secretsmanager").update_secret_version_stage(
        SecretId=secret.name, VersionStage=label, **{name: value for name, value in given.items() if value}
    )


@verified(api("PutSecretValue"), recorded("test_update_secret_version_stages_current_previous"))
def test_put_without_labels_moves_current_and_previous_follows(secret: Secret) -> None:
    first = secret.holder("AWSCURRENT")
    second = secret.put("two")
    assert secret.stages() == {first: ["AWSPREVIOUS"], second: ["AWSCURRENT"]}
    third = secret.put("three")
    assert secret.stages() == {second: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}


@verified(api("PutSecretValue"))
def test_the_same_token_and_value_is_a_no_op(secret: Secret) -> None:
    token = str(uuid.uuid4())
    secret.put("two", ClientRequestToken=token)
    secret.put("three")
    before = secret.stages()
    assert secret.put("two", ClientRequestToken=token, VersionStages=["OTHER"]) == token
    assert secret.stages() == before


@verified(api("PutSecretValue"))
def test_the_same_token_and_another_value_is_refused(secret: Secret) -> None:
    token = secret.put("two")
    with refused("ResourceExistsException"):
        secret.put("three", ClientRequestToken=token)
    assert secret.value() == "two"


@verified(api("UpdateSecretVersionStage"), recorded("test_put_secret_value_with_version_stages"))
def test_a_label_sits_on_one_version_at_most(secret: Secret) -> None:
    one = secret.put("one", VersionStages=["MINE"])
    two = secret.put("two", VersionStages=["MINE"])
    assert secret.stages()[two] == ["MINE"]
    assert one not in secret.stages()


@verified(api("UpdateSecretVersionStage"), recorded("test_update_secret_version_stages_current_pending"))
def test_moving_an_attached_label_needs_its_place(secret: Secret) -> None:
    first = str(secret.holder("AWSCURRENT"))
    pending = secret.put("two", VersionStages=["AWSPENDING"])
    with refused("InvalidParameterException", "RemoveFromVersionId can't be empty"):
        move(secret, "AWSCURRENT", to=pending)
    with refused("InvalidParameterException", "not attached"):
        move(secret, "AWSCURRENT", to=pending, source=pending)
    move(secret, "AWSCURRENT", to=pending, source=first)
    assert secret.stages() == {first: ["AWSPREVIOUS"], pending: ["AWSCURRENT", "AWSPENDING"]}


@verified(api("UpdateSecretVersionStage"))
def test_current_cannot_be_removed(secret: Secret) -> None:
    with refused("InvalidParameterException", "AWSCURRENT"):
        move(secret, "AWSCURRENT", source=secret.holder("AWSCURRENT"))


@verified(api("UpdateSecretVersionStage"))
def test_a_label_cannot_go_to_a_version_that_is_not_there(secret: Secret) -> None:
    with refused("ResourceNotFoundException"):
        move(secret, "MINE", to=str(uuid.uuid4()))


@verified(api("UpdateSecretVersionStage"))
def test_going_back_makes_the_new_version_the_previous_one(secret: Secret) -> None:
    first = str(secret.holder("AWSCURRENT"))
    second = secret.put("two")
    move(secret, "AWSCURRENT", to=first, source=second)
    assert secret.stages() == {first: ["AWSCURRENT"], second: ["AWSPREVIOUS"]}


@verified(guide("whats-in-a-secret"))
def test_a_version_without_labels_can_be_read_by_its_id(secret: Secret) -> None:
    first = str(secret.holder("AWSCURRENT"))
    secret.put("two")
    secret.put("three")
    assert first not in secret.stages()
    assert secret.value(VersionId=first) == "initial"


@verified(api("ListSecretVersionIds"), recorded("test_deprecated_secret_version_stage"))
def test_versions_without_labels_are_listed_on_demand_only(secret: Secret) -> None:
    first = str(secret.holder("AWSCURRENT"))
    secret.put("two")
    secret.put("three")
    client = secret.aws.client("secretsmanager")
    listed = client.list_secret_version_ids(SecretId=secret.name)["Versions"]
    assert first not in [version["VersionId"] for version in listed]
    assert secret.versions()[first] == []


@verified(api("ListSecretVersionIds"))
def test_versions_are_listed_in_pages(secret: Secret) -> None:
    for number in range(4):
        secret.put(str(number))
    client = secret.aws.client("secretsmanager")
    one = client.list_secret_version_ids(SecretId=secret.name, IncludeDeprecated=True, MaxResults=3)
    two = client.list_secret_version_ids(SecretId=secret.name, IncludeDeprecated=True, NextToken=one["NextToken"])
    assert len(one["Versions"]) == 3
    assert len(two["Versions"]) == 2
    assert "NextToken" not in two


@verified(recorded("test_get_secret_value_errors"))
def test_version_id_and_label_must_belong_together(secret: Secret) -> None:
    with refused("InvalidRequestException", "not associated"):
        secret.value(VersionId=str(secret.holder("AWSCURRENT")), VersionStage="AWSPREVIOUS")


@verified(
    api("PutSecretValue"),
    recorded("test_create_secret_version_from_empty_secret"),
    recorded("test_secret_version_not_found"),
)
def test_a_secret_without_a_value_has_no_version(make_secret: MakeSecret) -> None:
    secret = make_secret(None)
    assert secret.stages() == {}
    with refused("ResourceNotFoundException", "AWSCURRENT"):
        secret.value()
    secret.put("first", VersionStages=["AWSPENDING"])
    assert set(secret.stages().popitem()[1]) == {"AWSPENDING", "AWSCURRENT"}  # the first version is always current


@verified(api("PutSecretValue"))
def test_a_value_of_65536_bytes_fits_and_one_more_does_not(secret: Secret) -> None:
    secret.put("é" * 32_768)
    with refused("ValidationException", "secretString"):
        secret.put("é" * 32_768 + "x")
    client = secret.aws.client("secretsmanager")
    client.put_secret_value(SecretId=secret.name, SecretBinary=b"x" * 65_536)
    with refused("ValidationException", "secretBinary"):
        client.put_secret_value(SecretId=secret.name, SecretBinary=b"x" * 65_537)


@verified(api("PutSecretValue"))
def test_a_value_is_a_string_or_binary(secret: Secret) -> None:
    client = secret.aws.client("secretsmanager")
    with refused("InvalidParameterException"):
        client.put_secret_value(SecretId=secret.name, SecretString="x", SecretBinary=b"x")
    with refused("InvalidRequestException"):
        client.put_secret_value(SecretId=secret.name)


@verified(guide("reference_limits"))
def test_a_version_has_at_most_20_labels(secret: Secret) -> None:
    labels = [f"L{number}" for number in range(20)]
    version = secret.put("two", VersionStages=labels)
    assert len(secret.stages()[version]) == 20
    with refused("LimitExceededException"):
        move(secret, "L20", to=version)
    with refused("ValidationException"):
        secret.put("three", VersionStages=[*labels, "L20"])


@verified(api("PutSecretValue"))
@pytest.mark.parametrize("token", ["x" * 31, "x" * 65])
def test_tokens_have_32_to_64_characters(token: str, secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager", config=Config(parameter_validation=False))
    with refused("(InvalidParameter|Validation)Exception"):
        client.put_secret_value(SecretId=secret.name, SecretString="two", ClientRequestToken=token)
    client.close()


@verified(guide("reference_limits"))
@only_here("its clock")
def test_versions_without_labels_stay_24_hours_and_go_beyond_100() -> None:
    """Without the API: the clock of the shared sandbox must not jump, and 100 versions are many calls."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    secret = model.Secret("arn", "name", start)
    for number in range(150):
        secret.versions[str(number)] = model.Version(start + timedelta(seconds=number))
        secret.move("AWSCURRENT", str(number))
    secret.purge(start + timedelta(days=1, seconds=-1))
    assert len(secret.versions) == 150  # none is older than a day
    secret.purge(start + timedelta(days=1, seconds=20))
    assert sorted(set(range(150)) - {int(version) for version in secret.versions}) == list(range(21))
    secret.purge(start + timedelta(days=1, seconds=200))
    assert len(secret.versions) == 100
    assert {"148", "149"} <= set(secret.versions)


@verified(guide("troubleshoot"), recorded("test_create_and_update_secret"))
def test_a_secret_can_be_named_by_its_arn_without_the_suffix(secret: Secret, aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    assert client.get_secret_value(SecretId=secret.arn[:-7])["SecretString"] == "initial"
    with refused("ResourceNotFoundException", "can't find the specified secret"):
        client.get_secret_value(SecretId="no-such-secret")


@verified(recorded("test_secret_exists_snapshots"))
def test_a_name_can_be_used_once(secret: Secret, aws: Sandbox) -> None:
    with refused("ResourceExistsException"):
        aws.client("secretsmanager").create_secret(Name=secret.name, SecretString="x")


@verified(api("UpdateSecret"), recorded("test_update_secret_description"))
def test_update_secret_makes_a_new_current_version(secret: Secret, aws: Sandbox) -> None:
    first = secret.holder("AWSCURRENT")
    version = aws.client("secretsmanager").update_secret(SecretId=secret.name, SecretString="two")["VersionId"]
    assert secret.stages() == {first: ["AWSPREVIOUS"], version: ["AWSCURRENT"]}


@verified(docs("secretsmanager/latest/apireference/CommonErrors.html"))
@pytest.mark.parametrize(
    "request_",
    [{"SecretString": 5}, {"VersionStages": "AWSCURRENT"}, {"SecretString": ""}, {"ClientRequestToken": None}],
    ids=str,
)
def test_a_request_that_does_not_fit_the_model_is_refused(request_: dict[str, Any], secret: Secret) -> None:
    """Only programs that are not SDKs send such; the answer must be a refusal and not a crash."""
    client = secret.aws.client("secretsmanager", config=Config(parameter_validation=False))
    body = json.dumps({"SecretId": secret.name, "SecretString": "x", "ClientRequestToken": "t" * 32, **request_})
    client.meta.events.register("before-call.*.PutSecretValue", lambda params, **_: params.update(body=body.encode()))
    with pytest.raises(ClientError, match=r"(SerializationException|ValidationException|InvalidRequestException)"):
        client.put_secret_value(SecretId=secret.name, SecretString="x")
    client.close()
    assert secret.value() == "initial"
