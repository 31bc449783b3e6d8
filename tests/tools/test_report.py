"""The report for auditors: its golden files, and that no value is in them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import STEPS, SecretsManager
from tests.support.function import RotationFunction, Service
from tools.dev import report

GOLDEN = Path(__file__).with_name("report")
VALUE = "mArKeR-old-p@ss"
MONTH = timedelta(days=90)


def rotated(manager: SecretsManager, name: str) -> str:
    function = RotationFunction(manager, Service(VALUE))
    arn = manager.create(VALUE, name)
    manager.secrets[arn].rules = {"AutomaticallyAfterDays": 30}
    token = manager.rotate(arn)
    for step in STEPS:
        function(step, arn, token)
    manager.complete(arn)
    return arn


def rows(now: datetime | None = None) -> list[dict[str, Any]]:
    """One secret of each kind."""
    manager = SecretsManager()
    client = manager.client()
    arn = rotated(manager, "prod/rotated")
    client.tag_resource(SecretId=arn, Tags=[{"Key": "owner", "Value": "=team+1"}])
    manager.rotate(rotated(manager, "prod/unfinished"))
    manager.cancel(rotated(manager, "prod/paused"))
    manager.create(VALUE, "prod/never", rotation_enabled=False)
    manager.create(VALUE, "test/other", rotation_enabled=False)
    when = now or datetime(2026, 1, 2, tzinfo=UTC)
    return [report.row(one, when, "owner", MONTH) for one in report.secrets(client, "prod/")]


def as_csv(made: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    report.write_csv(made, file)
    return file.getvalue()


@pytest.mark.parametrize(("suffix", "written"), [("json", report.as_json), ("csv", as_csv)])
def test_the_report_is_the_golden_file(suffix: str, written: Callable[[Any], str]) -> None:
    text = written(rows())
    assert text == GOLDEN.with_suffix(f".{suffix}").read_text()
    assert "mArKeR" not in text


def test_each_control_fails_for_what_it_is_about() -> None:
    later = {row["name"]: row for row in rows(datetime(2026, 6, 1, tzinfo=UTC))}
    assert later["prod/rotated"]["verdict"] == "overdue"
    assert [later["prod/rotated"][f"SecretsManager.{n}"] for n in (1, 2, 3, 4)] == [
        "PASSED",
        "FAILED",
        "FAILED",
        "FAILED",
    ]
    assert later["prod/paused"]["former_valid_until"] == "no end"
    assert later["prod/never"]["former_valid_until"] is None
    assert later["prod/never"]["SecretsManager.1"] == "FAILED"
    assert later["prod/never"]["SecretsManager.2"] == "NOT_APPLICABLE"


@pytest.mark.parametrize(("opens", "said"), [(True, "no"), (False, "yes"), (None, "unknown")])
def test_with_login_the_function_is_asked_about_the_former_value(opens: bool | None, said: str) -> None:
    manager = SecretsManager()
    rotated(manager, "prod/rotated")
    (secret,) = report.secrets(manager.client())
    asked: list[Any] = []

    def invoke(**call: Any) -> Any:
        asked.append(json.loads(call["Payload"]))
        version = {"version_id": asked[-1]["Refused"], "opens": opens}
        return {"Payload": io.StringIO(json.dumps({"secrets": [{"versions": [version]}]}))}

    row = report.row(secret, datetime(2026, 1, 2, tzinfo=UTC), "owner", MONTH, invoke)
    assert row["former_refused"] == said
    assert row["former_valid_until"] == (row["last_rotated"] if said == "yes" else row["next_rotation"])
    assert asked == [{"Step": "diagnose", "SecretIds": [row["arn"]], "Refused": row["former_version"]}]
