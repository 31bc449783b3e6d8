"""The report on secrets that rotate: the verdict on each broken state, and that the printed commands mend it."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager, ServiceError
from secret_rotation import errors, handler, verdict
from secret_rotation.target import Context
from tests.support import cli
from tests.support.function import LambdaContext, RotationFunction, Service

KEYS = {"SECRET_KEYS": '["password"]'}
OLD, OTHER = "mArKeR-old-p@ss", "mArKeR-other-p@ss"
WRITES = {"PutSecretValue", "UpdateSecretVersionStage", "GetRandomPassword"}


def document(password: object) -> str:
    return json.dumps({"username": "app", "password": password})


class Strict(Service):
    """A service that can be made to fail in one way."""

    problem: Exception | None = None
    """Raised at each login."""
    refuses: bool = False
    """Whether its rules for passwords reject the pending value."""
    used: frozenset[str] | set[str] = frozenset()
    """Passwords that it does not take again."""

    def login(self, credential: Any) -> bool:
        if self.problem is not None:
            raise self.problem
        return super().login(credential)

    def set_secret(self, context: Context) -> None:
        if (self.refuses and not self.login(context.pending)) or context.pending.value in self.used:
            raise errors.ValueRefusedError("The service's rules reject the new password.")
        super().set_secret(context)


@dataclass
class World:
    """A secret, its service and its function."""

    folder: Path
    manager: SecretsManager = field(default_factory=SecretsManager)
    service: Strict = field(default_factory=lambda: Strict(OLD))
    denied: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.arn = self.manager.create(document(OLD))
        self.function = RotationFunction(self.manager, self.service, **KEYS)
        self.manager.hooks.append(self._deny)

    def _deny(self, moment: str, action: str) -> None:
        if moment == "before" and action in self.denied:
            raise ServiceError(
                "AccessDeniedException", f"User: x is not authorized to perform: secretsmanager:{action}"
            )

    def steps(self, *steps: str, token: str | None = None) -> str:
        """Run steps of a rotation, up to one that fails."""
        token = token or self.manager.rotate(self.arn)
        with suppress(errors.RotationError):
            for step in steps or STEPS:
                self.function(step, self.arn, token)
            self.manager.complete(self.arn)
        return token

    def look(self, **options: object) -> dict[str, Any]:
        event = {"Step": "diagnose", "SecretIds": [self.arn], "Login": True, **options}
        (found,) = self.function.handle(event)["secrets"]
        return dict(found)

    def mend(self, commands: list[str]) -> None:
        """Run the printed commands as they stand, and the steps of the rotation that they begin."""
        (self.folder / "secret.txt").write_text(document(self.service.password))
        before = self.manager.secrets[self.arn].holder(PENDING)
        for command in commands:
            with suppress(ClientError):  # "A previous rotation isn't complete. That rotation will be reattempted."
                cli.run(command, lambda _: self.manager.client(), self.folder)
        pending = self.manager.secrets[self.arn].holder(PENDING)
        assert pending, f"no rotation has begun; before it was {before}"
        self.steps(token=pending)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def nothing(world: World) -> None:
    """What mends the cause, where that is nothing but the printed commands."""


Change = Callable[[World], object]


def rotated(world: World) -> None:
    world.steps()


def stuck(world: World) -> None:
    world.steps("createSecret")
    world.function.later = timedelta(hours=1)


def cleared(world: World) -> None:
    world.steps("createSecret", "setSecret")
    world.manager.clear(world.arn)


def only_under_a_label_of_somebodys_own(world: World) -> None:
    cleared(world)
    secret = world.manager.secrets[world.arn]
    (version,) = [one for one, about in secret.versions.items() if not about.labels]
    world.manager.client().update_secret_version_stage(SecretId=world.arn, VersionStage="MINE", MoveToVersionId=version)


def denied(world: World) -> None:
    world.denied = {"PutSecretValue"}
    world.steps(token=world.steps())


def allowed(world: World) -> None:
    world.denied = set()


def denied_by_kms(world: World) -> None:
    world.denied = {"GetSecretValue"}


def turned_off(world: World) -> None:
    world.manager.cancel(world.arn)


def turned_off_half_way(world: World) -> None:
    world.steps("createSecret", "setSecret")
    world.manager.cancel(world.arn)


def put(text: str) -> Change:
    return lambda world: world.manager.put(world.arn, text)


def failing(problem: Exception, *, rotates: bool = True) -> Change:
    def fail(world: World) -> None:
        world.service.problem = problem
        if rotates:
            world.steps()

    return fail


def works_again(world: World) -> None:
    world.service.problem = None


def wrong_password(world: World) -> None:
    world.service.password = OTHER


def wrong_password_and_rotated(world: World) -> None:
    wrong_password(world)
    world.steps()


def refused(world: World) -> None:
    world.service.refuses = True
    world.steps()


def accepts(world: World) -> None:
    world.service.refuses = False


def no_rollback(world: World) -> None:
    """An operator has labelled the version that is current."""
    current = world.manager.secrets[world.arn].holder(CURRENT)
    world.manager.client().update_secret_version_stage(
        SecretId=world.arn, VersionStage="ROLLBACK", MoveToVersionId=current
    )
    world.steps()


def refused_rollback(world: World) -> None:
    """A service that takes no password twice: with the label, the next rotation would send it again."""
    world.steps()
    previous = world.manager.secrets[world.arn].holder("AWSPREVIOUS")
    world.manager.client().update_secret_version_stage(
        SecretId=world.arn, VersionStage="ROLLBACK", MoveToVersionId=previous
    )
    world.service.used = {OLD}
    world.steps()


def overdue(world: World) -> None:
    world.manager.secrets[world.arn].rules = {"AutomaticallyAfterDays": 1}
    world.manager.secrets[world.arn].rotated = None
    world.function.later = timedelta(days=3)


def deleted(world: World) -> None:
    world.manager.client().delete_secret(SecretId=world.arn)


STATES: dict[str, tuple[Change, str, Change]] = {
    "just rotated": (rotated, "healthy", nothing),
    "never rotated": (nothing, "healthy", nothing),
    "AWSPENDING stuck": (stuck, "stuck", nothing),
    "AWSPENDING cleared after setSecret": (cleared, "locked_out", nothing),
    "live value only under a custom label": (only_under_a_label_of_somebodys_own, "locked_out", nothing),
    "permission missing": (denied, "failed", allowed),
    "value not readable": (denied_by_kms, "failed", allowed),
    "rotation turned off": (turned_off, "paused", nothing),
    "rotation turned off half way": (turned_off_half_way, "paused", nothing),
    "wrong key name": (put('{"username": "app", "pw": "x"}'), "failed", nothing),
    "number instead of string": (put(document(5)), "failed", nothing),
    "not JSON": (put("{"), "failed", nothing),
    "binary": (put(b"\0"), "failed", nothing),  # type: ignore[arg-type]
    "host unreachable": (failing(errors.NetworkError("No answer.")), "unreachable", works_again),
    "certificate not trusted": (failing(errors.ConfigurationError("No trust.")), "failed", works_again),
    "driver missing": (failing(errors.ConfigurationError("No driver."), rotates=False), "failed", works_again),
    "user locked": (failing(errors.LockedError("Locked.")), "locked_out", works_again),
    "wrong password": (wrong_password, "locked_out", lambda world: put(document(OTHER))(world)),
    "wrong password, found by a rotation": (wrong_password_and_rotated, "locked_out", nothing),
    "value refused": (refused, "value_refused", accepts),
    "ROLLBACK to a value that is refused": (refused_rollback, "value_refused", nothing),
    "ROLLBACK on AWSCURRENT": (no_rollback, "failed", nothing),
    "overdue": (overdue, "overdue", nothing),
    "scheduled for deletion": (deleted, "failed", nothing),
}


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_verdict_and_the_printed_commands_mend_it(world: World, state: str) -> None:
    breaks, expected, mends = STATES[state]
    breaks(world)
    found = world.look()
    assert found["verdict"] == expected, found
    assert (found["commands"] == []) is (expected == "healthy")
    if found["commands"]:
        mends(world)
        world.function.later = timedelta()
        world.mend(found["commands"])
        assert world.look()["verdict"] == "healthy", (found, world.look())


@pytest.mark.parametrize("state", STATES)
def test_a_diagnosis_changes_nothing_and_shows_no_value(world: World, state: str, capsys: Any) -> None:
    STATES[state][0](world)
    values = {text for text in (*world.manager.made, OLD, OTHER) if text}
    before, calls = repr(world.manager.secrets), len(world.manager.calls)
    password = world.service.password
    capsys.readouterr()
    report = world.look(Refused=next(iter(world.manager.secrets[world.arn].versions)))
    assert WRITES.isdisjoint(world.manager.calls[calls:])
    assert without_access(repr(world.manager.secrets)) == without_access(before)
    assert world.service.password == password
    shown = json.dumps(report) + capsys.readouterr().out
    assert [value for value in values if value in shown] == []


def without_access(text: str) -> str:
    """What reading a value notes: the day."""
    return text.replace("accessed=None", "").replace(
        "accessed=datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)", ""
    )


def test_every_verdict_is_made_by_some_state() -> None:
    made = {expected for _, expected, _ in STATES.values()}
    assert made | {"rotating", "retrying", "unknown"} == set(verdict.VERDICTS)


def test_a_rotation_under_way_is_rotating_and_one_that_failed_once_is_retrying(world: World) -> None:
    token = world.steps("createSecret")
    assert world.look()["verdict"] == "rotating"
    world.service.problem = errors.NetworkError("No answer.")
    world.steps("setSecret", token=token)
    world.service.problem = None
    assert world.look()["verdict"] == "retrying"
    assert "No answer." in world.look()["reason"]


def test_a_failure_that_repeats_is_not_waited_for(world: World) -> None:
    world.service.problem = errors.NetworkError("No answer.")
    token = world.steps()
    world.steps(token=token)
    assert world.look(Login=False, Wait=20)["verdict"] == "unreachable"
    assert world.function.slept == []


def test_current_is_tried_alone_when_it_opens_and_no_login_is_made_without_being_asked(world: World) -> None:
    world.steps("createSecret")
    world.service.attempts.clear()
    world.look(Login=False)
    assert world.service.attempts == []
    world.look()
    assert world.service.attempts == [OLD]


def test_older_versions_are_not_tried(world: World) -> None:
    for value in ("one", "two"):
        world.manager.put(world.arn, document(value))
    world.service.attempts.clear()
    world.look()
    assert world.service.attempts == ["two"]


def test_a_version_that_must_not_open_the_service_any_more(world: World) -> None:
    leaked = str(world.manager.secrets[world.arn].holder(CURRENT))
    found = world.look(Refused=leaked)
    assert (found["verdict"], leaked in found["reason"]) == ("failed", True)
    world.steps()
    found = world.look(Refused=leaked)
    assert (found["verdict"], leaked in found["reason"]) == ("healthy", True)
    assert world.look(Refused="0" * 36)["verdict"] == "unknown"


def test_a_pending_value_for_another_server_is_not_sent(world: World) -> None:
    world.service.password = OTHER
    theirs = json.dumps({"username": "somebody-else", "password": "mArKeR-sent"})
    world.manager.put(world.arn, theirs, labels=(PENDING,))
    world.service.attempts.clear()
    assert world.look()["verdict"] == "locked_out"
    assert world.service.attempts == [OLD]


def test_a_wait_ends_as_soon_as_the_rotation_has_ended(world: World) -> None:
    token = world.steps("createSecret")
    world.function.on_sleep = lambda: world.steps(*STEPS[1:], token=token)
    assert world.look(Wait=20)["verdict"] == "healthy"
    assert len(world.function.slept) == 1


def test_a_wait_ends_before_the_function_does(world: World) -> None:
    world.steps("createSecret")
    assert world.look(Wait=900)["verdict"] == "rotating"
    assert sum(world.function.slept) < 26


def test_a_rotation_that_has_been_ordered_is_waited_for(world: World) -> None:
    world.function.on_sleep = lambda: world.steps()
    found = world.look(Wait=20)
    assert (found["verdict"], found["rotation"]["last_rotated"] is not None) == ("healthy", True)


def test_settings_that_cannot_be_used_are_what_is_wrong_with_every_secret(world: World) -> None:
    error = errors.SettingError("The target's file is not in the function.")
    with mock.patch.object(handler, "_function", side_effect=error):
        answer = handler.lambda_handler({"Step": "diagnose", "SecretIds": [world.arn, "b"]}, LambdaContext())
    assert answer is not None
    assert [one["verdict"] for one in answer["secrets"]] == ["failed", "failed"]
    assert "SettingError" in answer["secrets"][0]["reason"]


def test_one_that_is_to_fail_raises_with_the_names_and_reasons(world: World) -> None:
    bad = world.manager.create(document(5))
    with pytest.raises(errors.DiagnosisError, match="number") as caught:
        world.function.diagnose(world.arn, bad, Fail=True)
    assert bad in str(caught.value)
    assert world.arn not in str(caught.value)


def test_one_that_is_to_fail_answers_shortly_when_all_is_well_or_not_known(world: World) -> None:
    world.steps("createSecret")
    assert world.function.diagnose(world.arn, Fail=True) == {"verdict": "rotating", "unsettled": [world.arn]}


def test_of_a_fleet_that_fails_ten_reasons_are_said_and_how_many_there_are(world: World) -> None:
    bad = [world.manager.create(document(5), f"bad{number}") for number in range(300)]
    with pytest.raises(errors.DiagnosisError, match="290 more") as caught:
        world.function.diagnose(*bad, Fail=True)
    assert len(str(caught.value)) < 5_000


def test_a_function_with_three_seconds_answers(world: World) -> None:
    world.steps("createSecret")
    assert world.function.diagnose(world.arn, Wait=0, Fail=True, seconds=3.0)["verdict"] == "rotating"
    assert world.function.slept == []


def test_a_secret_that_may_not_be_described_may_be_another_functions(world: World) -> None:
    world.denied = {"DescribeSecret"}
    found = world.look()
    assert (found["verdict"], "RotationLambdaARN" in found["reason"]) == ("failed", True)
    assert [command.split()[2] for command in found["commands"]] == ["describe-secret"]


def test_the_worst_verdict_is_that_of_the_report(world: World) -> None:
    bad = world.manager.create(document(5))
    report = world.function.diagnose(world.arn, bad)
    assert (report["verdict"], [one["verdict"] for one in report["secrets"]]) == ("failed", ["healthy", "failed"])


def test_what_the_steps_of_the_pending_version_said_is_in_the_report(world: World) -> None:
    world.service.problem = errors.NetworkError("No answer.")
    token = world.steps()
    (version,) = [one for one in world.look()["versions"] if one["version_id"] == token]
    assert [(step["step"], step["error"]) for step in version["steps"]] == [
        ("createSecret", None), ("setSecret", "NetworkError"),
    ]  # fmt: skip


def test_a_log_that_cannot_be_read_is_said_and_the_rest_is_reported(world: World) -> None:
    world.steps("createSecret")
    world.function.clients["logs"] = mock.Mock()
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "No."}}
    world.function.clients["logs"].filter_log_events.side_effect = ClientError(denied, "FilterLogEvents")  # type: ignore[arg-type]
    found = world.look()
    assert (found["verdict"], "logs:FilterLogEvents" in found["log"]) == ("rotating", True)


def test_a_secret_that_is_not_this_functions_is_a_finding_and_no_failure(world: World) -> None:
    found = world.function.diagnose("arn:aws:secretsmanager:eu-west-1:123456789012:secret:other-AbCdEf")
    assert found["verdict"] == "failed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SecretIds", None), ("SecretIds", []), ("SecretIds", [5]), ("SecretIds", "arn"), ("Wait", "1"),
        ("Wait", -1), ("Wait", True), ("Wait", 1e9), ("Wait", float("nan")), ("Login", 1), ("Fail", "yes"),
        ("Refused", 5), ("Code", 5), ("Logins", True),
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused_and_named(world: World, name: str, value: object) -> None:
    event = {"Step": "diagnose", "SecretIds": [world.arn], name: value}
    with pytest.raises(errors.MalformedEventError, match=name.removesuffix("s")):
        world.function.handle(event)
