"""The python target: what is wrong with the caller's file is said by name; the contract, for the example's file."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from rotation_lab.model.secrets_manager import STEPS, SecretsManager
from rotation_lab.services import door
from rotation_lab.services.base import FIRST
from secret_rotation import loading
from secret_rotation.errors import RotationError, SettingError
from secret_rotation.target import Target
from secret_rotation.targets import python
from tests.operating import PREFLIGHT, Operating
from tests.support.function import RotationFunction
from tests.target_contract import Installation, Setup, TargetContract

EXAMPLE = Path(__file__).parents[2] / "examples" / "python"

GOOD = """
def set_secret(context):
    context.log.info("set", url=context.setting("url"))

def test_secret(context):
    pass
"""


@pytest.fixture
def zip_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for the zip's root."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("custom_target", None)


def load(zip_root: Path, text: str | None) -> Target:
    if text is not None:
        (zip_root / "custom_target.py").write_text(text)
    return loading.load("python")


def test_a_file_with_the_two_functions_is_loaded(zip_root: Path) -> None:
    found = load(zip_root, GOOD)
    assert found.set_secret.__module__ == "custom_target"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def test_secret(context): pass", r"set_secret\(context\)"),
        ("def set_secret(context): pass", r"test_secret\(context\)"),
        ("", r"set_secret.*test_secret\(context\)"),
        ("set_secret = 1\ndef test_secret(context): pass", r"set_secret\(context\)"),
        ("\n\nimport psycopg2", "'psycopg2'.*function.layers"),
        ("from secret_rotation.errors import NoSuchError", "ImportError.* line 1"),
        ("\n\ndef set_secret(context:\n", "SyntaxError.* line 3"),
        ("\nraise ValueError('s3cret-text')", "ValueError.* line 2"),
        ("import sys\nsys.exit('s3cret-text')", "SystemExit.* line 2"),
        ("import json\n\njson.loads('s3cret-text')", r"JSONDecodeError(?!.* line )"),  # the line is not the file's
    ],
)
def test_what_is_wrong_with_the_file_is_said_by_name(zip_root: Path, text: str, told: str) -> None:
    with pytest.raises(SettingError, match=told) as caught:
        load(zip_root, text)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_file_that_is_not_in_the_zip_is_said_by_name(zip_root: Path) -> None:
    with pytest.raises(SettingError, match=r"custom_target\.py .*zip"):
        load(zip_root, None)


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands for the layers'; the caller's file is in it, by a name that Python has too."""
    monkeypatch.setattr(python, "_ROOT", tmp_path)
    monkeypatch.setenv("TARGET_FILE", "json.py")
    yield tmp_path / "json.py"
    sys.modules.pop("custom_target", None)


def test_a_file_in_a_layer_is_loaded_by_its_own_name(layer: Path) -> None:
    layer.write_text(GOOD)
    assert loading.load("python").set_secret.__module__ == "custom_target"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, r"set target\.file"), ("\n1/0", "ZeroDivisionError in line 2"), ("import psycopg2", "'psycopg2'")],
)
def test_a_file_in_a_layer_that_cannot_be_used_is_rejected(layer: Path, text: str | None, expected: str) -> None:
    if text is not None:
        layer.write_text(text)
    for _ in range(2):  # what failed is not kept
        with pytest.raises(SettingError, match=expected):
            loading.load("python")


@pytest.mark.parametrize("step", STEPS)
def test_a_wrong_file_fails_every_step_and_changes_nothing(step: str) -> None:
    manager = SecretsManager()
    arn = manager.create('{"password": "old-value"}')
    token = manager.rotate(arn)
    target = ModuleType("custom_target")
    target.set_secret = lambda context: None  # type: ignore[attr-defined]
    with pytest.raises(SettingError, match="test_secret"):
        RotationFunction(manager, target, SECRET_KEYS='["password"]')(step, arn, token)
    assert manager.calls == []


def test_of_an_exception_in_the_file_the_class_and_the_line_are_reported_and_not_the_text(
    capsys: pytest.CaptureFixture[str], zip_root: Path
) -> None:
    text = "def set_secret(context):\n    raise KeyError(context.pending.text)\ndef test_secret(context): pass\n"
    manager = SecretsManager()
    arn = manager.create('{"password": "old-value"}')
    function = RotationFunction(manager, load(zip_root, text), SECRET_KEYS='["password"]')
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    with pytest.raises(RotationError, match="KeyError") as caught:
        function("setSecret", arn, token)
    assert manager.made[0] not in f"{caught.value!r}{capsys.readouterr()}"


# The contract, for the file of the example, against the service of its demo.


def example_file(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file of the example is the function's, for one test."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setattr("secret_rotation.targets.python.FILE", "my_target")
    yield
    sys.modules.pop("my_target", None)


class DoorUser(Installation):
    def __init__(self, running: door.Door) -> None:
        super().__init__(running.credential(secrets.token_hex(4)), url=running.url)

    def at(self, host: str, port: int) -> Setup:
        """The address is a setting; what a version of the secret could change is the user."""
        return Setup({"url": f"http://{host}:{port}"}, self.value("somebody", FIRST))


@pytest.fixture(scope="module")
def running() -> Iterator[door.Door]:
    with door.start() as service:
        yield service


_TLS = "TLS is the matter of the caller's file"


class TestOperating(Operating):
    target = "python"
    sample = PREFLIGHT
    not_applicable: ClassVar = {"certificate not trusted": _TLS}

    @pytest.fixture(autouse=True)
    def _file_of_the_example(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from example_file(monkeypatch)

    @pytest.fixture
    def service(self, running: door.Door) -> Installation:
        return DoorUser(running)


class TestPython(TargetContract):
    target = "python"
    required_keys = ("username",)
    not_applicable: ClassVar = dict.fromkeys(
        (
            "test_a_certificate_of_an_unknown_authority_is_refused",
            "test_a_certificate_for_another_host_name_is_refused",
            "test_a_server_without_tls_is_refused_and_never_spoken_to_in_plain_text",
        ),
        _TLS,
    )

    @pytest.fixture(autouse=True)
    def _file_of_the_example(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from example_file(monkeypatch)

    @pytest.fixture
    def service(self, running: door.Door) -> Installation:
        return DoorUser(running)
