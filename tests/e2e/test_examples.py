"""Every example of a target: applied, rotated twice against the real service, logged in with the current value."""

from __future__ import annotations

from pathlib import Path

import pytest

from rotation_lab.sandbox.client import Sandbox
from tests.e2e.stack import applied
from tools.dev import examples

# test_copied_examples.py applies the others, and this one: it is postgresql with a layer that Terraform builds.
# MySQL and FerretDB are not in Debian: `make mysql` and `make mongodb` show their examples.
TARGETS = sorted(examples.TABLE.keys() - {"database-layer", "mongodb", "mysql-dual-passwords"})


@pytest.mark.parametrize("name", TARGETS)
def test_after_each_rotation_the_current_value_logs_in_and_none_is_shown(
    name: str, aws: Sandbox, environment: dict[str, str], tree: Path, tmp_path: Path
) -> None:
    with (
        examples.running(name, aws) as example,
        applied(tree / "examples" / name, aws, environment, tmp_path, example.variables) as stack,
    ):
        assert aws.settle(stack.secret)["result"] == "ok", stack.log()
        example.check(stack.value())
        for _ in range(2):
            value = stack.value()
            assert stack.rotate()["result"] == "ok", stack.log()
            assert stack.value() != value
            assert stack.value("AWSPREVIOUS") == value
            example.check(stack.value())
        plan = tmp_path / "saved.tfplan"
        assert stack.terraform.plan(example.variables, out=plan) is False
        assert stack.leaks(plan) == []
