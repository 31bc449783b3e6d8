"""GetRandomPassword."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.passwords import random_password
from rotation_lab.sandbox.client import Sandbox
from tests.lab.evidence import api, verified

ALL = set(string.ascii_letters + string.digits + string.punctuation)


def password(**request: Any) -> str:
    return random_password(request, random.SystemRandom())


@verified(api("GetRandomPassword"))
def test_the_default_is_32_characters_with_each_type() -> None:
    made = password()
    assert len(made) == 32
    assert set(made) <= ALL
    for characters in (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation):
        assert set(characters) & set(made)


@verified(api("GetRandomPassword"))
@pytest.mark.parametrize(
    ("flag", "characters"),
    [
        ("ExcludeLowercase", string.ascii_lowercase),
        ("ExcludeUppercase", string.ascii_uppercase),
        ("ExcludeNumbers", string.digits),
        ("ExcludePunctuation", string.punctuation),
    ],
)
def test_an_excluded_type_is_not_there(flag: str, characters: str) -> None:
    assert not set(characters) & set(password(**{flag: True}, PasswordLength=2000))


@verified(api("GetRandomPassword"))
def test_excluded_characters_are_not_there() -> None:
    assert not set("aA1/@\"'\\") & set(password(ExcludeCharacters="aA1/@\"'\\", PasswordLength=4096))


@verified(api("GetRandomPassword"))
def test_space_is_there_when_included_only() -> None:
    assert " " not in password(PasswordLength=4096)
    assert " " in password(PasswordLength=4, IncludeSpace=True, ExcludePunctuation=True)
    assert len(password(PasswordLength=4, IncludeSpace=True)) == 4  # one of each type that is required: space is none


@verified(api("GetRandomPassword"))
@pytest.mark.parametrize("length", [1, 4096])
def test_the_length_can_be_1_to_4096(length: int) -> None:
    assert len(password(PasswordLength=length, RequireEachIncludedType=False)) == length


@verified(api("GetRandomPassword"))
@pytest.mark.parametrize(
    "request_",
    [
        {"PasswordLength": 0},
        {"PasswordLength": 4097},
        {"PasswordLength": 3},  # four types
        {"ExcludeCharacters": string.digits},  # a type that is included, and required, has nothing left
        {"ExcludeCharacters": "".join(ALL), "RequireEachIncludedType": False},
        {f"Exclude{kind}": True for kind in ("Lowercase", "Uppercase", "Numbers", "Punctuation")},
        {"ExcludeCharacters": "x" * 4097},
    ],
)
def test_the_impossible_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as refused:
        random_password(request_, random.SystemRandom())
    assert refused.value.code == "InvalidParameterException"


@verified(api("GetRandomPassword"))
def test_boto3_gets_it(aws: Sandbox) -> None:
    client = aws.client("secretsmanager")
    assert len(client.get_random_password(PasswordLength=40)["RandomPassword"]) == 40
    with pytest.raises(ClientError, match="InvalidParameterException"):
        client.get_random_password(PasswordLength=3)
