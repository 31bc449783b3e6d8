"""Any environment gives settings that work, or an error that names the variable."""

import json
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation import catalogue, settings
from secret_rotation.deadline import Deadline
from secret_rotation.document import Document
from secret_rotation.errors import SettingError, StoreError
from secret_rotation.generators import password
from secret_rotation.logs import Log
from secret_rotation.source import AwsSource
from secret_rotation.store import Secrets, Store
from tests.settings_cases import KEY
from tests.support.function import RotationFunction, check_harmless

JSON = ["SECRET_KEYS", "GENERATORS", "TARGET_SETTINGS"]
FLAGS = [f"EXCLUDE_{name}" for name in ("NUMBERS", "PUNCTUATION", "UPPERCASE", "LOWERCASE")]
NAMES = [*JSON, *FLAGS, "EXCLUDE_CHARACTERS", "PASSWORD_LENGTH", "INCLUDE_SPACE", "REQUIRE_EACH_INCLUDED_TYPE"]
NAMES += ["SECRETS_MANAGER_ENDPOINT"]

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
scalar = st.none() | st.booleans() | st.integers() | st.floats() | any_text
any_json = st.recursive(scalar, lambda v: st.lists(v, max_size=3) | st.dictionaries(any_text, v, max_size=3))
entry: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"type": st.sampled_from([*catalogue.generators(), "other"]) | scalar},
    optional={
        "bytes": st.integers(-1, 5000) | scalar,
        "bits": st.sampled_from([1024, 2048]) | scalar,
        "curve": st.sampled_from(["P-256", "P-1"]) | scalar,
        "kms_key_arn": st.just(KEY) | scalar,
        "public_key": st.sampled_from(["a", "b", "p"]) | scalar,
        "template": st.sampled_from(["{{a}}", "x{{c|url}}", "{{/c/~}}"]) | scalar,
        "other": scalar,
    },
)
some_keys = st.lists(st.sampled_from(["a", "b", ""]), max_size=3)
generators = st.dictionaries(st.sampled_from(["a", "b", "c", ""]), entry, max_size=2)
url = st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "ftp"]), any_text, any_text)
value = any_text | any_json.map(json.dumps) | some_keys.map(json.dumps) | generators.map(json.dumps) | url


def read(environment: dict[str, str]) -> settings.Settings | None:
    """The settings; None for a refusal that is as it should be."""
    try:
        return settings.read(environment)
    except SettingError as error:
        check_harmless(error, *environment, "The target 'none'")  # which has no settings
        return None


@pytest.mark.parametrize("name", NAMES)
@given(text=value)
@example(text="9" * 5000)
@example(text="[" * 100_000)
def test_any_text_in_a_variable_is_read_or_refused_by_its_name(name: str, text: str) -> None:
    read({name: text})


environments = st.fixed_dictionaries(
    {},
    optional={
        "SECRET_KEYS": some_keys.map(json.dumps),
        "GENERATORS": generators.map(json.dumps),
        "PASSWORD_LENGTH": st.integers(-1, 40).map(str),
        "EXCLUDE_CHARACTERS": st.text("abcXYZ019!\"' ", max_size=10),
        **{
            name: st.sampled_from(["true", "false"]) for name in (*FLAGS, "INCLUDE_SPACE", "REQUIRE_EACH_INCLUDED_TYPE")
        },
    },
)
MANAGER = SecretsManager()


class FakeKms:
    """Answers like KMS, for a source that is given it."""

    def generate_data_key_pair(self, **_: str) -> dict[str, bytes]:
        return {"PrivateKeyPlaintext": b"private", "PublicKey": b"public"}


@given(environments)
def test_settings_that_are_accepted_make_a_value_for_every_key(environment: dict[str, str]) -> None:
    found = read(environment)
    if found is None:
        return
    store = Store(Secrets(lambda _: MANAGER.client(), Log()), "id", "token", None, Deadline(), ())
    source = AwsSource(store, lambda _: FakeKms(), found.password)
    made: dict[str, str] = {}
    for key, generator in found.generators.items():
        made |= generator.make(key, source)
        if generator.function is password.make:
            assert len(made[key]) == int(environment.get("PASSWORD_LENGTH", 32))
            assert not set(made[key]) & set(environment.get("EXCLUDE_CHARACTERS", ""))
    assert made.keys() >= set(found.keys or [""])
    assert all(made.values())


looks_like_json = st.builds(
    "{}{}{}{}".format,
    st.sampled_from("[{"),
    st.sampled_from(["", " ", "["]),
    st.sampled_from("\"'"),
    st.text(max_size=9),
)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40) | looks_like_json)
def test_no_value_that_is_generated_is_rejected_by_the_next_rotation(first: str) -> None:
    """Any text that GetRandomPassword may give, those included that begin like JSON."""
    manager = SecretsManager()
    arn = manager.create("old")
    with mock.patch.object(Store, "random_password", side_effect=[first, "fine", "later"]):
        function = RotationFunction(manager)
        function.rotate(arn)
        function.rotate(arn)
    assert manager.secrets[arn].text() in ("fine", "later")


@given(environments)
def test_no_password_that_settings_allow_is_rejected_by_the_next_rotation(environment: dict[str, str]) -> None:
    environment = {**environment, "GENERATORS": "{}", "SECRET_KEYS": ""}
    if read(environment) is None:
        return
    manager = SecretsManager()
    arn = manager.create("old")
    function = RotationFunction(manager, **environment)
    with suppress(StoreError, SettingError):  # no password can be made as the settings ask for it
        for _ in range(3):
            function.rotate(arn)
    assert not Document(str(manager.secrets[arn].text())).is_like_json
