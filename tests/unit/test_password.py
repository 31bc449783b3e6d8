"""The password settings: what GetRandomPassword is asked for, and what it cannot make."""

import string

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation.deadline import Deadline
from secret_rotation.errors import SettingError
from secret_rotation.logs import Log
from secret_rotation.password import Password
from secret_rotation.source import AwsSource
from secret_rotation.store import Secrets, Store


def test_a_password_is_asked_for_with_every_option() -> None:
    password = Password(20, "abc", exclude_numbers=True, include_space=True, require_each_included_type=False)
    assert password.options() == {
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
    client = SecretsManager().client()
    store = Store(Secrets(lambda _: client, Log()), "id", "token", None, Deadline(), ())
    password = Password(200, **{option: True})  # type: ignore[arg-type]
    made = AwsSource(store, lambda _: client, password).random_password()
    assert not set(made) & set(characters)
    assert len(made) == 200


@pytest.mark.parametrize("space", [False, True])
def test_a_password_must_be_long_enough_for_one_of_each_class(space: bool) -> None:
    Password(4, include_space=space)
    with pytest.raises(SettingError, match="4 classes"):
        Password(3, include_space=space)


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        ("aB3!aB3!", []),
        ("aB3!aB3!x", ["9 characters and not 8"]),
        ("aB3!aB3#", ["excluded"]),
        ("aB3!aB3é", ["excluded"]),
        ("aB3 aB3!", ["excluded"]),
        ("aB3aB3aB", ["no punctuation"]),
        ("#", ["1 characters and not 8", "excluded", "no lowercase letters and no uppercase letters and no numbers"]),
    ],
)
def test_a_value_that_could_not_be_generated_now_is_described(value: str, reasons: list[str]) -> None:
    found = Password(8, "#").misfits(value)
    assert len(found) == len(reasons)
    assert all(part in reason for part, reason in zip(reasons, found, strict=True))


def test_a_class_that_is_not_required_may_be_missing() -> None:
    assert Password(8, require_each_included_type=False, include_space=True).misfits("aaaaaaa ") == []
    assert Password(8, exclude_numbers=True).misfits("aB3!aB3!") == ["it has characters that are excluded now"]
