"""``make try``: a target of one's own, tried against the sandbox."""

import json
import re
import sys
from pathlib import Path

import pytest

from rotation_lab import cli
from rotation_lab.services import door
from rotation_lab.trial.options import Options, UsageError
from secret_rotation import settings
from secret_rotation.password import Password
from tests.lab.foreign import TEMPLATE
from tools.dev import try_target

GOOD = Path(__file__).parents[2] / "examples" / "python" / "my_target.py"
FORGETFUL = """
import my_target

def set_secret(context):
    print("as", context.current.version, context.pending.text)
    if call(context, context.current, "PUT", "/password", {"password": context.pending.value}) != 204:
        raise RuntimeError("refused")

def test_secret(context):
    pass
"""
"""It knows only the current password, tests nothing, and prints the value."""


def run(file: Path, service: door.Door, monkeypatch: pytest.MonkeyPatch, **variables: str) -> int:
    service.put("app", door.State("first-password"))
    for name, value in {"SETTINGS": json.dumps({"url": service.url}), **variables}.items():
        monkeypatch.setenv(name, value)
    return try_target.main([str(file)])


def test_a_target_that_keeps_the_rules_passes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with door.start() as service:
        code = run(GOOD, service, monkeypatch)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert shown.count("\n  ok") == 7
    assert "finishSecret  INFO  " in shown
    assert "try: passed, 7 checks" in shown


def test_of_a_target_that_breaks_them_it_shows_which(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "forgetful.py").write_text(FORGETFUL.replace("import my_target", GOOD.read_text()))
    with door.start() as service:
        code = run(tmp_path / "forgetful.py", service, monkeypatch)
    shown = capsys.readouterr().out
    failed = [part.splitlines()[0] for part in shown.split("\n\n") if "FAILED" in part]
    assert code == 1
    assert failed == [
        "the test refuses a value that was never set",
        "each step twice",
        "a crash after setSecret, tried again",
        "a crash after setSecret, AWSPENDING cleared, a new rotation",
        "the log holds no value",
    ]


def test_a_service_with_a_limit_passes_when_length_and_characters_are_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = GOOD.read_text().replace(
        "def set_secret(context: Context) -> None:",
        "def set_secret(context: Context) -> None:\n"
        "    if len(context.pending.value) > 20 or set('/@:') & set(context.pending.value):\n"
        "        raise ConfigurationError('at most 20 characters, none of /@:')",
    )
    (tmp_path / "limited.py").write_text(limit)
    with door.start() as service:
        assert run(tmp_path / "limited.py", service, monkeypatch) == 1
        assert "at most 20 characters" in capsys.readouterr().out
        assert run(tmp_path / "limited.py", service, monkeypatch, LENGTH="20", EXCLUDE="/@:") == 0


# The arguments.


def read(**environment: str) -> Options:
    return try_target.read([str(GOOD)], environment)


def test_options_come_from_makes_variables(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"token": "first", "id": "a"}\n')
    given = read(KEYS="token", SECRET=f"@{tmp_path}/secret.json", SETTINGS='{"url": "x"}', LENGTH="20", EXCLUDE="/@")
    assert (given.secret, given.keys) == ('{"token": "first", "id": "a"}', ["token"])
    assert json.loads(given.environment["TARGET_SETTINGS"]) == {"url": "x"}
    assert (given.environment["PASSWORD_LENGTH"], given.environment["EXCLUDE_CHARACTERS"]) == ("20", "/@")


def test_what_is_given_is_what_the_function_makes_values_with() -> None:
    made = settings.read(read(GENERATORS='{"password": {"type": "hex", "bytes": 16}}').environment).generators
    assert made["password"].settings == {"bytes": "16"}
    found = settings.read(read(LENGTH="20", EXCLUDE="+/").environment)
    assert found.password == Password(length=20, exclude_characters="+/")


def test_a_secret_that_is_not_a_json_object_is_plain_text() -> None:
    assert read(SECRET="first-token").keys == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SETTINGS": "url=x"}, "SETTINGS is not JSON"),
        ({"SETTINGS": '{"n": 1}'}, "SETTINGS must be a JSON object of strings"),
        ({"SECRET": "@/no/such/file"}, "SECRET: /no/such/file cannot be read"),
        ({"SECRET": '{"token": "x"}'}, "'password'.*KEYS"),
        ({"SECRET": "text", "KEYS": "a"}, "KEYS.*SECRET is not a JSON object"),
        ({"POLICY": "{}"}, "POLICY must be a JSON list"),
        ({"LAYER": "none.zip"}, "none.zip"),
        ({"LENGTH": "0"}, "LENGTH is 0"),
        ({"LENGTH": "long"}, "LENGTH is long"),
        ({"GENERATORS": "[]"}, "GENERATORS"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read(**variables)


@pytest.mark.parametrize("file", ["none.py", str(GOOD.parent / "main.tf")])
def test_what_is_not_a_python_file_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert try_target.main([file]) == 2
    assert "is not a Python file" in capsys.readouterr().err


def test_a_file_that_does_not_parse_is_reported_once_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("import json\n\ndef set_secret(context)\n    pass\n")
    assert try_target.main([str(tmp_path / "broken.py")]) == 2
    shown = "".join(capsys.readouterr())
    assert shown.count("broken.py") == 1
    assert "line 3" in shown


# Any function, with the command itself.


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["rotation-lab", "try", *arguments])
    return cli.main()


def test_a_function_that_is_not_ours_passes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lambda_function.py").write_text(TEMPLATE)
    secret = json.dumps({"user": "a", "token": "first-token"})
    arguments = ["--keys", "token", "--env", "KEY=token", "--no-service"]
    code = command(monkeypatch, str(tmp_path), "--secret", secret, *arguments)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert shown.count("\n  ok") == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no lambda_function.py"),
        (["--handler", "main.handler"], "no main.py"),
        (["--env", "NAME"], "--env NAME"),
        (["--length", "-1"], "--length is -1"),
        (["--keys", "a"], "--keys.*--secret is not a JSON object"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if arguments and arguments[0] != "--handler":
        (tmp_path / "lambda_function.py").write_text(TEMPLATE)
    assert command(monkeypatch, str(tmp_path), *arguments) == 2
    assert re.search(told, capsys.readouterr().err)
