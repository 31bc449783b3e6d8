"""The target calls without a server: descriptions that are rejected, and what is made of answers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from secret_rotation import settings
from secret_rotation.catalogue import defaults
from secret_rotation.errors import SettingError
from secret_rotation.target import Given
from secret_rotation.targets import calls
from secret_rotation.targets.declared import items
from tests.calls_cases import ISSUED, KEYS, OURS, REJECTED, SET, TEST, URL, with_field
from tests.messages import refused


def load(described: Any, keys: tuple[str, ...] | None = KEYS, **given: str) -> Any:
    key = keys[0] if keys and len(keys) == 1 else None
    return calls.load(Given(keys, {**defaults("calls"), **given}, key, described))


FUNCTION_ONLY: list[tuple[dict[str, Any], list[str]]] = [
        (with_field("issue", body="{{pending.value}}"), ["calls.issue.body", "{{pending.value}}", "generated"]),
        (with_field("set", OURS, auth="sigv4"), ["calls.set.auth", "'sigv4_region'"]),
        ({**OURS, "set": {"action": "redis:ModifyUser"}}, ["calls.set.action", "'redis'", "rds"]),
        ({**OURS, "set": {"action": "elasticache:ModifyUsr"}}, ["calls.set.action", "ModifyUser"]),
        (
            {**OURS, "set": {"action": "elasticache:ModifyUser", "parameters": {"UserID": "app"}}},
            ["calls.set.parameters", "UserId"],
        ),
        (
            {**OURS, "set": {"action": "elasticache:ModifyUser", "parameters": {"UserId": "a", "Passwords": "a"}}},
            ["calls.set.parameters", "Passwords", "list"],
        ),
]  # fmt: skip
"""What the plan does not look at: botocore, headers, what depends on a default."""


@pytest.mark.parametrize(("described", "named"), [*REJECTED, *FUNCTION_ONLY])
def test_a_wrong_description_is_named_by_its_place_with_what_is_allowed(described: Any, named: list[str]) -> None:
    with refused(SettingError, *named):
        load(described)


def test_a_test_by_the_session_of_an_administrator_is_refused() -> None:
    session = {"url": URL, "body": {"p": "{{admin.password}}"}}
    described = {**OURS, "session": session, "test": {**TEST, "token": "{{session./token}}"}}
    with refused(SettingError, "calls.test.token", "calls.session", "{{login}}"):
        load(described, ("value",), admin_secret_arn="arn:admin")
    load(
        {**described, "session": {"url": URL, "body": {"p": "{{login.value}}"}}},
        ("value",),
        admin_secret_arn="arn:admin",
    )


def test_a_number_is_a_text_where_text_is_wanted() -> None:
    load(with_field("set", OURS, status=200, headers={"X-Version": 2.5}), ("value",))


def test_a_placeholder_without_a_key_needs_one_value() -> None:
    two = {"set": SET, "test": TEST}
    with refused(SettingError, "calls.set", "'password_key'", "token, salt"):
        load(two, ("token", "salt"))
    load(two, ("token",))


def test_the_value_is_the_key_that_is_no_id() -> None:
    """What ``list`` gives or ``revoke`` names is one; the other is the value."""
    described = json.loads(json.dumps(ISSUED).replace('"value": "/value"', '"api_key": "/value"'))
    assert load(described, ("api_key", "id")).set_secret


def test_a_description_that_only_sets_issues_nothing() -> None:
    assert not hasattr(load(OURS, ("value",)), "create_secret")
    assert not hasattr(load(OURS, ("value",)), "finish_secret")


def test_the_function_reads_the_description_from_its_environment() -> None:
    with refused(SettingError, "TARGET_CALLS", "JSON object"):
        settings.read({"TARGET": "calls", "TARGET_CALLS": "[]"})
    found = settings.read({"TARGET": "calls", "TARGET_CALLS": json.dumps(OURS), "SECRET_KEYS": '["value"]'})
    assert found.given.calls == OURS


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789+02:00", datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T10:00:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
        ("Sat, 31 Jan 2026 10:00:00 +0000", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (1769853600, datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (1769853600000, datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("1769853600.0", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (datetime(2026, 1, 31, 10, tzinfo=UTC), datetime(2026, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_forms_that_services_write(when: Any, expected: datetime) -> None:
    assert items.seconds(when) == expected.timestamp()


@pytest.mark.parametrize("when", ["yesterday", "", None, True, {}])
def test_what_is_no_time_is_not_taken_for_one(when: Any) -> None:
    assert items.seconds(when) is None
