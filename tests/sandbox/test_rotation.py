"""Rotation as Secrets Manager runs it."""

from __future__ import annotations

from tests.sandbox.conftest import Function, Secret


def test_a_rotation_calls_the_four_steps_in_order(secret: Secret, template: Function) -> None:
    state = secret.rotated(template)
    assert state["result"] == "ok"
    assert [entry["step"] for entry in state["log"]] == ["createSecret", "setSecret", "testSecret", "finishSecret"]
    assert secret.value() != "initial"
    assert secret.value(VersionStage="AWSPREVIOUS") == "initial"
