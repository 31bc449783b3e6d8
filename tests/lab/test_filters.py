"""ListSecrets: filters, order, pages."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.lab.conftest import Secret
from tests.lab.evidence import api, guide, recorded, verified
from tests.lab.raw import post

MakeSecret = Callable[..., Secret]
NAMES = ["one", "two", "three", "four"]


@pytest.fixture(scope="module")
def listed(aws: Sandbox) -> Iterator[Callable[..., str]]:
    """Names a filter's values, and gives the secrets that it finds, by their short names."""
    client, mark = aws.client("secretsmanager"), uuid.uuid4().hex[:8]
    described = {
        "one": ("testing1/one", "a secret", {"Team": "Blue"}),
        "two": ("/testing2/two", "an secret", {"Team": "green"}),
        "three": ("testing3/three", "asecret", {"team": "Blue"}),
        "four": ("/testing4/four", "thesecret", {"CostCentre": "Blue42"}),
    }
    names = {short: f"{name}-{mark}" for short, (name, _, _) in described.items()}
    for short, (_, description, tags) in described.items():
        client.create_secret(
            Name=names[short],
            SecretString="secret",
            Description=description,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )

    def find(*filters: tuple[str, str], **options: Any) -> str:
        given = [{"Key": key, "Values": values.split("|")} for key, values in filters]
        found = [secret["Name"] for secret in _all(client, Filters=given, **options)]
        return " ".join(short for name in found for short in NAMES if names[short] == name)

    yield find
    for name in names.values():
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _all(client: Any, **options: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_secrets").paginate(**options, PaginationConfig={"PageSize": 3})
    return [secret for page in pages for secret in page["SecretList"]]


@verified(recorded("test_list_secrets_filtering"), api("Filter"))
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([("name", "/")], "two four"),
        ([("name", "!/")], "one three"),
        ([("name", "Testing1")], ""),
        ([("name", "testing1|testing3")], "one three"),
        ([("name", "testing1 one")], ""),
        ([("name", "one")], ""),
        ([("description", "a")], "one two three"),
        ([("description", "A")], "one two three"),
        ([("description", "!a")], "four"),
        ([("description", "a secret")], "one two"),
        ([("description", "!c")], "one two three four"),
        ([("description", "a"), ("name", "an")], ""),
        ([("description", "a"), ("name", "/")], "two"),
    ],
    ids=str,
)
def test_filters_on_name_and_description(
    filters: list[tuple[str, str]], found: str, listed: Callable[..., str]
) -> None:
    assert listed(*filters) == found


@verified(api("Filter"), guide("manage_search-secret"))
@pytest.mark.parametrize(
    ("key", "values", "found"),
    [
        ("tag-key", "Te", "one two"),
        ("tag-key", "te", "three"),
        ("tag-value", "Blue", "one three four"),
        ("tag-value", "blue", ""),
        ("tag-value", "!Blue", "two"),
        ("all", "blue", "one three four"),
        ("all", "CostCentre 42", "four"),
        ("all", "centre", "four"),
        ("owning-service", "rds", ""),
    ],
)
def test_filters_on_tags_and_on_everything(key: str, values: str, found: str, listed: Callable[..., str]) -> None:
    assert " ".join(name for name in listed((key, values)).split() if name) == found


@verified(api("ListSecrets"))
def test_secrets_are_listed_by_creation_or_by_name(listed: Callable[..., str]) -> None:
    assert listed() == "one two three four"
    assert listed(SortOrder="desc") == "four three two one"
    assert listed(SortBy="name") == "two four one three"


@verified(api("Filter"), api("ListSecrets"))
@pytest.mark.parametrize(
    "request_",
    [
        {"Filters": [{"Key": "colour", "Values": ["x"]}]},
        {"Filters": [{"Key": "name", "Values": ["*"]}]},
        {"Filters": [{"Key": "name", "Values": []}]},
        {"SortOrder": "up"},
        {"MaxResults": 101},
        {"MaxResults": 0},
    ],
    ids=str,
)
def test_a_list_that_cannot_be_asked_for(request_: dict[str, Any], aws: Sandbox) -> None:
    status, answer = post(aws, "ListSecrets", request_)
    assert (status, answer["__type"]) == (400, "ValidationException")


@verified(api("ListSecrets"))
def test_a_secret_that_is_being_deleted_is_listed_on_demand(secret: Secret, aws: Sandbox) -> None:
    client, by_name = aws.client("secretsmanager"), [{"Key": "name", "Values": [secret.name]}]
    client.delete_secret(SecretId=secret.arn)
    assert client.list_secrets(Filters=by_name)["SecretList"] == []
    [found] = client.list_secrets(Filters=by_name, IncludePlannedDeletion=True)["SecretList"]
    assert found["DeletedDate"]
    client.restore_secret(SecretId=secret.arn)
