"""What a target is given, and how it is found."""

import sys
import types

import pytest

from secret_rotation import catalogue, errors, loading
from secret_rotation.deadline import Deadline
from secret_rotation.logs import Log
from secret_rotation.target import Context, Credential, Target, explained
from tests.messages import refused

JSON = '{"user": "u", "port": 5432, "empty": "", "none": null, "password": "value-of-it"}'


def context(**more: object) -> Context:
    given: dict[str, object] = {
        "secret_id": "arn",
        "settings": {},
        "current": None,
        "log": Log(),
        "deadline": Deadline(),
        **more,
    }
    return Context(client=lambda name: name, **given)  # type: ignore[arg-type]


def test_a_credential_prints_its_version_only() -> None:
    credential = Credential("v1", JSON, ("password",))
    _ = credential.fields  # kept, and not printed either
    assert repr(credential) == "Credential(version='v1', keys=('password',), password_key=None)"


def test_the_members_of_a_json_credential_are_read_as_text() -> None:
    credential = Credential("v", JSON, ("password",))
    assert (credential.value, credential.get("port"), credential.require("user")) == ("value-of-it", "5432", "u")
    assert (credential.get("none"), credential.get("absent"), credential.get("absent", "x")) == (None, None, "x")


@pytest.mark.parametrize("key", ["empty", "none", "absent"])
def test_a_member_that_the_target_needs_is_named_when_it_is_missing(key: str) -> None:
    with pytest.raises(errors.SecretError, match=key):
        Credential("v", JSON).require(key)


HALF = '{"password": "\\ud83d", "user": "u"}'


def test_half_a_character_is_refused_by_name_and_without_the_value() -> None:
    with pytest.raises(errors.SecretError, match=r"'password' .*surrogate") as raised:
        _ = Credential("v", HALF, ("password",)).value
    assert "\ud83d" not in str(raised.value)
    assert raised.value.__context__ is None
    assert Credential("v", HALF, ("password",)).get("user") == "u"
    with pytest.raises(errors.SecretError, match="surrogate"):
        _ = Credential("v", "plain \ud83d").value


def test_an_unusable_value_is_no_candidate() -> None:
    """So a broken value that somebody has put does not keep the one before it from being tried."""
    unusable = [Credential(str(n), text, ("password",)) for n, text in enumerate([HALF, "{}", '{"password": ""}', "x"])]
    good = Credential("good", JSON, ("password",))
    given = context(current=unusable[0], older=lambda: iter([*unusable[1:], good, good]))
    assert list(given.candidates()) == [good]


def test_plain_text_has_no_members() -> None:
    credential = Credential("v", "text")
    assert (credential.value, dict(credential.fields), credential.get("x")) == ("text", {}, None)


def test_pending_is_refused_while_there_is_none() -> None:
    with pytest.raises(errors.NoValueError):
        _ = context().pending


def test_the_subject_of_a_test_is_pending_or_else_current() -> None:
    old, new = Credential("1", "old"), Credential("2", "new")
    assert context(current=old, pending_or_none=new).subject is new
    assert context(current=old).subject is old
    with pytest.raises(errors.NoValueError):
        _ = context().subject


def test_a_setting_is_named_when_it_is_missing() -> None:
    assert context(settings={"a": "1"}).setting("a") == "1"
    assert context().setting("a", "2") == "2"
    with pytest.raises(errors.ConfigurationError, match="'a'"):
        context().setting("a")


SET_URL, TEST_URL = (catalogue.targets()["http"]["settings"][name]["summary"] for name in ("set_url", "test_url"))


@pytest.mark.parametrize(
    ("kind", "given", "named"),
    [
        ("unknown", {}, ["TARGET", "'unknown'", ", ".join(sorted(catalogue.targets()))]),
        ("none", {"url": "x"}, ["'none'", "'url'"]),
        ("iam_access_key", {"z": "x", "a": "x"}, ["'iam_access_key'", "'a'", "user_arn, access_key_id_key, secret"]),
        ("http", {}, ["'http'", "'set_url'", SET_URL]),
        ("http", {"set_url": "https://x"}, ["'http'", "'test_url'", TEST_URL]),
        ("http", {"set_url": "", "test_url": "x"}, ["'http'", "'set_url'", SET_URL]),
    ],
)
def test_a_target_or_setting_that_is_not_known_is_refused_with_those_that_are(
    kind: str, given: dict[str, str], named: list[str]
) -> None:
    with refused(errors.SettingError, *named):
        catalogue.target_settings(kind, given)


@pytest.mark.parametrize("kind", ["redis", "http", "iam_access_key"])
def test_a_target_is_loaded_by_its_type(kind: str) -> None:
    found = loading.load(kind)
    assert found.set_secret.__module__ == f"secret_rotation.targets.{kind}"


def test_the_caller_s_target_takes_any_setting_and_must_have_both_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("custom_target")
    monkeypatch.setitem(sys.modules, "custom_target", module)
    with pytest.raises(errors.SettingError, match=r"set_secret.*test_secret"):
        loading.load("python")
    module.set_secret = module.test_secret = lambda _: None  # type: ignore[attr-defined]
    assert catalogue.target_settings("python", {"any": "x"}) == {"any": "x"}
    assert loading.load("python") == Target(module.set_secret, module.test_secret)


def functions(**more: object) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{"set_secret": print, "test_secret": print, **more})


def test_a_loaded_target_is_its_functions() -> None:
    found = Target.of("x", functions(identity=dict, TEST_WRITES=True))
    assert [found.set_secret, found.identity, found.create_secret, found.test_writes] == [print, dict, None, True]
    assert Target.of("x", functions()).test_writes is False
    assert Target.of("x", functions()).identity(Credential("v", JSON)) == {}


@pytest.mark.parametrize("name", ["set_secret", "test_secret", "create_secret", "finish_secret", "identity"])
def test_what_is_named_like_a_function_and_is_none_is_refused(name: str) -> None:
    with pytest.raises(errors.SettingError, match=name):
        Target.of("x", functions(**{name: "no function"}))


def test_an_exception_that_may_hold_a_value_is_explained_and_not_chained() -> None:
    with pytest.raises(errors.NetworkError) as raised, explained(lambda _: errors.NetworkError("no answer"), OSError):
        raise OSError("s3cret")
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


def test_an_exception_of_another_kind_is_not_explained() -> None:
    with pytest.raises(ValueError, match="mine"), explained(lambda _: errors.NetworkError("no"), OSError):
        raise ValueError("mine")
