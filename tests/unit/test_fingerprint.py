"""The hash of the function's own code, which the module compares with the planned one."""

import base64
import hashlib
import json
from pathlib import Path

import pytest

from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation import errors, fingerprint
from tests.support.function import RotationFunction

CODE = Path(__file__).parents[2] / "lambda_src"


def made(folder: Path) -> None:
    (folder / "secret_rotation/__pycache__").mkdir(parents=True)
    (folder / "lambda_function.py").write_text("a")
    (folder / "secret_rotation/b.json").write_text("b")
    (folder / "secret_rotation/__pycache__/c.pyc").write_text("c")
    (folder / "my_target.py").write_text("of another layer")


def test_it_is_made_of_names_and_hashes_as_terraform_makes_it(tmp_path: Path) -> None:
    made(tmp_path)
    hashes = {"lambda_function.py": hashlib.sha256(b"a"), "secret_rotation/b.json": hashlib.sha256(b"b")}
    text = json.dumps({name: each.hexdigest() for name, each in hashes.items()}, separators=(",", ":"))
    assert fingerprint.of(tmp_path) == base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_modules_layer_holds_nothing_that_is_not_counted() -> None:
    assert {file.name for file in CODE.iterdir()} - {"__pycache__"} == {"lambda_function.py", "secret_rotation"}


def test_other_code_than_planned_is_an_error_whatever_the_secrets_are() -> None:
    manager = SecretsManager()
    arn = manager.create("a")
    function = RotationFunction(manager)
    assert function.diagnose(arn, Fail=True, Code=fingerprint.of())["verdict"] == "healthy"
    with pytest.raises(errors.DiagnosisError, match="code"):
        function.diagnose(arn, Code="other")
