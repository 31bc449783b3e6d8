"""``make try``: a target of one's own, tried against the sandbox."""

import json
from pathlib import Path

import pytest

from rotation_lab.services import door
from tools.dev import try_target
from tools.dev.try_target import UsageError

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


def run(file: Path, service: door.Door) -> int:
    service.set("app", "first-password")
    return try_target.main([str(file), "--settings", json.dumps({"url": service.url})])


def test_a_target_that_keeps_the_rules_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with door.start() as service:
        code = run(GOOD, service)
    shown = capsys.readouterr().out
    assert code == 0, shown
    assert shown.count("\n  ok") == 7
    assert "finishSecret  INFO  " in shown
    assert "try: passed, 7 checks" in shown


def test_a_target_that_breaks_them_is_told_which(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "forgetful.py").write_text(FORGETFUL.replace("import my_target", GOOD.read_text()))
    with door.start() as service:
        code = run(tmp_path / "forgetful.py", service)
    shown = capsys.readouterr().out
    failed = [part.splitlines()[0] for part in shown.split("\n\n") if "FAILED" in part]
    assert code == 1
    assert failed == [
        "the test refuses a value that was never set",
        "each step twice",
        "a crash after setSecret, tried again",
        "a crash after setSecret, AWSPENDING cleared by hand, a new rotation",
        "the log holds no value",
    ]


# The arguments.


def read(*arguments: str, **environment: str) -> try_target.Options:
    return try_target.read([str(GOOD), *arguments], environment)


def test_options_come_from_the_command_line_or_from_makes_variables(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"token": "first", "id": "a"}\n')
    given = read("--keys", "token", SECRET=f"@{tmp_path}/secret.json", SETTINGS='{"url": "x"}', KEYS="id")
    assert (given.secret, given.keys, given.settings) == ('{"token": "first", "id": "a"}', ["token"], {"url": "x"})


def test_a_secret_that_is_not_a_json_object_is_plain_text() -> None:
    assert read("--secret", "first-token").keys == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--settings", "url=x"], "SETTINGS is not JSON"),
        (["--settings", '{"n": 1}'], "SETTINGS must be a JSON object of strings"),
        (["--secret", "@/no/such/file"], "SECRET: /no/such/file cannot be read"),
        (["--secret", '{"token": "x"}'], "'password'.*KEYS"),
        (["--secret", "text", "--keys", "a"], "KEYS is given, but SECRET is not a JSON object"),
        (["--policy", "{}"], "POLICY must be a JSON list"),
        (["--layer", "none.zip"], "LAYER is none.zip"),
    ],
)
def test_a_wrong_argument_is_told(arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read(*arguments)


@pytest.mark.parametrize("file", ["none.py", str(GOOD.parent / "main.tf")])
def test_what_is_not_a_python_file_is_refused(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert try_target.main([file]) == 2
    assert "is not a Python file" in capsys.readouterr().err
