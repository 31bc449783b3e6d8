"""The function's environment variables."""

import json

import pytest

from secret_rotation import settings
from secret_rotation.errors import SettingError
from secret_rotation.password import Password
from tests.messages import refused

AWS_TEMPLATE = {
    "SECRETS_MANAGER_ENDPOINT": "https://secretsmanager.eu-west-1.amazonaws.com",
    "EXCLUDE_CHARACTERS": "abc",
    "PASSWORD_LENGTH": "20",
    "EXCLUDE_NUMBERS": "True",
    "EXCLUDE_PUNCTUATION": "true",
    "EXCLUDE_UPPERCASE": "False",
    "EXCLUDE_LOWERCASE": "no",
    "REQUIRE_EACH_INCLUDED_TYPE": "False",
}
PAIR = {"type": "rsa", "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/k"}


def test_without_any_variable_a_plain_text_password_is_made_as_aws_s_template_makes_it() -> None:
    found = settings.read({})
    assert (found.keys, found.target, found.target_settings, found.endpoint_url) == (None, None, {}, None)
    assert list(found.generators) == [""]
    assert found.password == Password(length=32, exclude_characters="/@\"'\\")


def test_the_names_of_aws_s_template_are_read() -> None:
    found = settings.read(AWS_TEMPLATE)
    password = Password(
        length=20,
        exclude_characters="abc",
        exclude_numbers=True,
        exclude_punctuation=True,
        require_each_included_type=False,
    )
    assert found.endpoint_url == AWS_TEMPLATE["SECRETS_MANAGER_ENDPOINT"]
    assert found.password == password


def test_all_names_of_this_function_are_read() -> None:
    found = settings.read(
        {
            "SECRET_KEYS": '["a", "b"]',
            "GENERATORS": '{"b": {"type": "uuid", "bytes": null}}',
            "INCLUDE_SPACE": "true",
            "EXCLUDE_CHARACTERS": "",
            "TARGET": "python",
            "TARGET_SETTINGS": '{"url": "https://x"}',
        }
    )
    assert (found.keys, found.target, found.target_settings) == (("a", "b"), "python", {"url": "https://x"})
    assert found.password == Password(include_space=True)
    assert [generator.function.__module__.rpartition(".")[2] for generator in found.generators.values()] == [
        "password",
        "uuid",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEYS", "password"),
        ("SECRET_KEYS", "[]"),
        ("SECRET_KEYS", '[""]'),
        ("SECRET_KEYS", '["a", "a"]'),
        ("SECRET_KEYS", '["a", 1]'),
        ("SECRET_KEYS", '{"a": 1}'),
        ("SECRET_KEYS", "null"),
        ("SECRET_KEYS", "[" * 100_000),
        ("GENERATORS", "[]"),
        ("GENERATORS", '{"other": {"type": "uuid"}}'),
        ("GENERATORS", '{"": null}'),
        ("GENERATORS", '{"": "uuid"}'),
        ("GENERATORS", '{"": {}}'),
        ("GENERATORS", '{"": {"type": ["uuid"]}}'),
        ("GENERATORS", '{"": {"type": "dice"}}'),
        ("GENERATORS", '{"": {"type": "uuid", "bytes": 5}}'),
        ("GENERATORS", '{"": {"type": "password", "length": 5}}'),
        ("GENERATORS", '{"": {"type": "hex", "bytes": 0}}'),
        ("GENERATORS", '{"": {"type": "hex", "bytes": 4097}}'),
        ("GENERATORS", '{"": {"type": "hex", "bytes": true}}'),
        ("GENERATORS", '{"": {"type": "base64", "bytes": 1.5}}'),
        ("GENERATORS", '{"": {"type": "rsa"}}'),
        ("GENERATORS", json.dumps({"": {**PAIR, "bits": 1024}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "curve": "P-256"}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "type": "ec", "curve": "P-1"}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "kms_key_arn": 5}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "public_key": ""}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "public_key": 5}})),
        ("GENERATORS", json.dumps({"": {**PAIR, "public_key": "public"}})),
        ("PASSWORD_LENGTH", "0"),
        ("PASSWORD_LENGTH", "4097"),
        ("PASSWORD_LENGTH", "-1"),
        ("PASSWORD_LENGTH", "1e3"),
        ("PASSWORD_LENGTH", "٣"),
        ("PASSWORD_LENGTH", "9" * 5000),
        ("PASSWORD_LENGTH", ""),
        ("PASSWORD_LENGTH", "3"),
        ("EXCLUDE_CHARACTERS", "x" * 4097),
        ("EXCLUDE_CHARACTERS", "0123456789"),
        ("EXCLUDE_NUMBERS", "maybe"),
        ("EXCLUDE_NUMBERS", ""),
        ("INCLUDE_SPACE", "2"),
        ("SECRETS_MANAGER_ENDPOINT", "secretsmanager.eu-west-1.amazonaws.com"),
        ("SECRETS_MANAGER_ENDPOINT", "https://"),
        ("SECRETS_MANAGER_ENDPOINT", "https://user:password@host"),
        ("SECRETS_MANAGER_ENDPOINT", "https://host name"),
        ("SECRET_KEYS", '["/a~2"]'),
        ("SECRET_KEYS", '["a", "/a"]'),
        ("SECRET_KEYS", '["/a/0/b", "b", "/a"]'),
        ("TARGET_SETTINGS", "[]"),
        ("TARGET_SETTINGS", '{"port": 5432}'),
        ("TARGET_SETTINGS", "{"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        settings.read({name: value})
    assert caught.value.__context__ is None
    assert len(str(caught.value)) < 500


def test_a_password_of_no_characters_is_refused() -> None:
    names = ("NUMBERS", "PUNCTUATION", "UPPERCASE", "LOWERCASE")
    with pytest.raises(SettingError, match="EXCLUDE_CHARACTERS"):
        settings.read({f"EXCLUDE_{name}": "true" for name in names})


def test_an_excluded_class_may_be_empty_where_not_each_one_is_required() -> None:
    settings.read({"EXCLUDE_CHARACTERS": "0123456789", "REQUIRE_EACH_INCLUDED_TYPE": "false", "PASSWORD_LENGTH": "1"})
    settings.read({"EXCLUDE_CHARACTERS": "0123456789", "EXCLUDE_NUMBERS": "true", "PASSWORD_LENGTH": "3"})


@pytest.mark.parametrize(
    "url", ["https://vpce-1.example.com", "http://127.0.0.1:4566", "http://[::1]:4566/", "https://x/y"]
)
def test_an_endpoint_is_taken_as_it_is(url: str) -> None:
    assert settings.read({"SECRETS_MANAGER_ENDPOINT": url}).endpoint_url == url


def test_the_public_half_of_a_pair_is_never_a_password() -> None:
    pair = {**PAIR, "public_key": "public"}
    for keys in (["private", "public"], ["public", "private"], ["private"]):
        environment = {"SECRET_KEYS": json.dumps(keys), "GENERATORS": json.dumps({"private": pair})}
        assert list(settings.read(environment).generators) == ["private"]


@pytest.mark.parametrize(
    "generators",
    [
        {"a": {**PAIR, "public_key": "b"}, "b": {"type": "uuid"}},
        {"a": {**PAIR, "public_key": "public"}, "b": {**PAIR, "public_key": "public"}},
        {"a": {**PAIR, "public_key": "a"}},
        {"a": {**PAIR, "public_key": "/a/public"}},
        {"a": {**PAIR, "public_key": "/b"}},
    ],
)
def test_a_key_with_two_values_is_refused(generators: object) -> None:
    with pytest.raises(SettingError, match="GENERATORS"):
        settings.read({"SECRET_KEYS": '["a", "b"]', "GENERATORS": json.dumps(generators)})


def with_templates(keys: str | None = '["password"]', **templates: str) -> settings.Settings:
    generators = {key: {"type": "template", "template": text} for key, text in templates.items()}
    return settings.read({"GENERATORS": json.dumps(generators), **({"SECRET_KEYS": keys} if keys else {})})


def test_a_template_fills_a_key_besides_those_that_rotate() -> None:
    found = with_templates(URL="x{{password}}", **{"/nested/url": "y{{password}}"})
    assert found.keys == ("password",)
    assert list(found.generators) == ["password"]
    assert found.changed_keys == {"password", "URL", "/nested/url"}
    assert found.password_key == "password"


@pytest.mark.parametrize(
    ("keys", "templates", "named"),
    [
        (None, {"URL": "{{a}}"}, "JSON secret"),
        (None, {"": "{{a}}"}, "JSON secret"),
        ('["a"]', {"": "{{a}}"}, "JSON secret"),
        ('["a", "URL"]', {"URL": "{{a}}"}, "SECRET_KEYS"),
        ('["a", "URL"]', {"/URL": "{{a}}"}, "same value"),
        ('["a", "URL"]', {"/URL/x": "{{a}}"}, "inside"),
        ('["a"]', {"/b~": "{{a}}"}, "~0"),
        ('["a"]', {"b": "{{/a~2}}"}, "~0"),
        ('["a"]', {"b": "{{b}}"}, "'b'"),
        ('["a"]', {"b": "{{ /c | url }}", "c": "{{a}}"}, "'/c'"),
        ('["a"]', {"b": "{{c|json}}", "/c/d": "{{a}}"}, "'/c/d'"),
    ],
)
def test_a_template_that_cannot_work_is_refused(keys: str | None, templates: dict[str, str], named: str) -> None:
    with refused(SettingError, "GENERATORS", named):
        with_templates(keys, **templates)


def test_all_of_a_secret_is_overwritten_only_where_no_keys_are_named() -> None:
    assert settings.read({}).overwrite_json is False
    assert settings.read({"OVERWRITE_JSON": "true"}).overwrite_json is True
    with refused(SettingError, "OVERWRITE_JSON", "SECRET_KEYS"):
        settings.read({"OVERWRITE_JSON": "true", "SECRET_KEYS": '["password"]'})


def test_the_keys_that_change_are_those_that_rotate_and_those_that_generators_fill() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    generators = {"private": {"type": "ec", "kms_key_arn": key, "public_key": "public"}}
    found = settings.read({"SECRET_KEYS": '["private", "other"]', "GENERATORS": json.dumps(generators)})
    assert found.changed_keys == {"private", "other", "public"}


# The key that a target logs in with.


@pytest.mark.parametrize(
    ("keys", "given", "expected"),
    [
        (["api_token", "password"], {}, "password"),
        (["password", "api_token"], {}, "password"),
        (["api_token"], {}, "api_token"),
        (["api_token", "secret"], {"password_key": "secret"}, "secret"),
        (["api_token", "password"], {"password_key": "api_token"}, "api_token"),
        (["/db/password", "a"], {"password_key": "/db/password"}, "/db/password"),
        (["/db/password"], {}, "/db/password"),
        (None, {"host": "db", "username": "app"}, None),
    ],
)
@pytest.mark.parametrize("target", ["postgresql", "mysql", "redis"])
def test_the_order_of_keys_does_not_choose_the_password(
    target: str, keys: list[str] | None, given: dict[str, str], expected: str | None
) -> None:
    environment = {"TARGET": target, "TARGET_SETTINGS": json.dumps(given)}
    environment |= {} if keys is None else {"SECRET_KEYS": json.dumps(keys)}
    assert settings.read(environment).password_key == expected


@pytest.mark.parametrize("target", ["postgresql", "mysql", "redis"])
def test_a_target_that_logs_in_must_know_with_which_key(target: str) -> None:
    with refused(SettingError, "'password_key'", "api_token", "secret"):
        settings.read({"TARGET": target, "SECRET_KEYS": '["api_token", "secret"]'})


@pytest.mark.parametrize("keys", ['["password"]', ""])
@pytest.mark.parametrize("target", ["postgresql", "redis", "python"])
def test_the_key_to_log_in_with_is_one_that_rotates(target: str, keys: str) -> None:
    given = {"TARGET": target, "TARGET_SETTINGS": '{"password_key": "pass"}', "SECRET_KEYS": keys}
    with refused(SettingError, "'password_key'", "'pass'", "`keys`"):
        settings.read(given)


def test_a_target_that_names_keys_itself_needs_no_single_one() -> None:
    assert settings.read({"SECRET_KEYS": '["a", "b"]'}).password_key is None
