"""The search for a value that opens the service, and what is asked before and after a change."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    DeadlineError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
)
from secret_rotation.kit import tls
from secret_rotation.target import Context, Credential
from tests.messages import assert_explains, refused
from tests.support.contexts import context, credential

NAMES = ("new", "old", "was", "older", "oldest", "first")


def step(*, count: int = 4, **settings: str) -> Context:
    found = [credential(f"s3cret-{name}") for name in NAMES[:count]]
    return context(found[0], found[1], found[2:], **settings)


class Door:
    """A service: it opens for one value, and says of the others what it is to say."""

    def __init__(self, opens: str | None, **says: Exception) -> None:
        self.opens, self.says, self.tried = opens, says, list[str]()

    def __call__(self, candidate: Credential) -> str:
        name = candidate.value.removeprefix("s3cret-")
        self.tried.append(name)
        if name != self.opens:
            raise self.says.get(name, AuthenticationError("The door stays shut."))
        return f"session of {name}"


# The search.


def test_the_first_value_that_opens_the_service_is_used() -> None:
    door = Door("was")
    assert step().log_in(door) == "session of was"
    assert door.tried == ["new", "old", "was"]


@pytest.mark.parametrize(
    "problem",
    [
        AuthenticationError("no"),
        ConfigurationError("expired"),
        TargetError("odd"),
        SecretError("unsendable"),
        UnicodeEncodeError("latin-1", "s3cret-old", 0, 1, "no"),
        ValueError("s3cret-old"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_one_bad_candidate_does_not_end_the_search(problem: Exception) -> None:
    assert step().log_in(Door("was", old=problem)) == "session of was"


@pytest.mark.parametrize(
    "problem", [NetworkError("gone"), DeadlineError("late"), LockedError("locked for an hour"), tls.refused("db")]
)
def test_network_deadline_lock_out_and_tls_end_it(problem: RotationError) -> None:
    door = Door("was", old=problem)
    with pytest.raises(type(problem)) as raised:
        step().log_in(door)
    assert raised.value is problem
    assert door.tried == ["new", "old"]


def test_the_error_names_each_version_and_why_it_failed_but_no_value() -> None:
    door = Door(None, was=ConfigurationError("It has expired."))
    named = ["My refusal.", "version-new, version-old, version-older", "door stays shut", "version-was", "expired"]
    with refused(ConfigurationError, *named):
        step().log_in(door, "My refusal.")


def test_what_a_driver_cannot_encode_is_named_by_the_exceptions_class_alone() -> None:
    door = Door(None, old=UnicodeEncodeError("latin-1", "s3cret-old", 0, 1, "no"))
    with refused(AuthenticationError, "version-old", "UnicodeEncodeError"):
        step(count=2).log_in(door)


@pytest.mark.parametrize(
    ("new", "old", "kind"),
    [
        ("refused", "expired", ConfigurationError),
        ("expired", "refused", ConfigurationError),
        ("unfit", "unfit", SecretError),
        ("unfit", "refused", AuthenticationError),
        ("odd", "odd", AuthenticationError),
    ],
)
def test_the_kind_of_the_error_is_what_an_operator_fixes(new: str, old: str, kind: type[RotationError]) -> None:
    """An account that is locked or has expired, rather than the wrong values that were tried besides."""
    problems = {
        "refused": AuthenticationError("The door stays shut."),
        "expired": ConfigurationError("It has expired."),
        "unfit": SecretError("It is for another user."),
        "odd": TargetError("Odd."),
    }
    with pytest.raises(RotationError) as raised:
        step(count=2).log_in(Door(None, new=problems[new], old=problems[old]))
    assert_explains(raised.value, kind, "version-new", "version-old", str(problems[new]), str(problems[old]))


def test_each_failure_is_logged_by_version_and_class(capsys: pytest.CaptureFixture[str]) -> None:
    step().log_in(Door("was", old=ConfigurationError("expired")))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["candidate"], line["error"]) for line in lines] == [
        ("version-new", "AuthenticationError"),
        ("version-old", "ConfigurationError"),
    ]


def test_white_space_around_a_refused_value_is_remarked() -> None:
    """It is sent as it is: whoever pasted it may have set it so."""
    current = Credential("version-old", json.dumps({"password": "s3cret-old\n"}), ("password",))
    door = Door(None)
    with refused(AuthenticationError, "version-old", "line break"):
        context(credential("s3cret-new"), current).log_in(door)
    assert door.tried == ["new", "old\n"]


# The bound.


@pytest.mark.parametrize(("settings", "most"), [({}, 5), ({"max_logins": "2"}, 2)])
def test_a_bound_ends_the_search_and_its_setting_is_named(settings: dict[str, str], most: int) -> None:
    door = Door("first")
    with refused(AuthenticationError, "'max_logins'", f"the {most} logins"):
        step(count=6, **settings).log_in(door)
    assert door.tried == list(NAMES[:most])


def test_what_was_not_sent_does_not_count() -> None:
    problem = SecretError("It cannot be sent.")
    door = Door("older", new=problem, old=problem)
    assert step(max_logins="2").log_in(door) == "session of older"


def test_the_bound_is_not_named_when_all_were_tried() -> None:
    with pytest.raises(AuthenticationError) as raised:
        step(count=4).log_in(Door(None))
    assert "max_logins" not in str(raised.value)


def test_versions_that_could_not_be_read_are_in_the_error() -> None:
    def older(problems: dict[str, RotationError]) -> Iterator[Credential]:
        problems["version-lost"] = SecretError("It cannot be used. kms:Decrypt is not allowed.")
        yield from ()

    given = context(credential("s3cret-new"), credential("s3cret-old"))
    given.older = lambda: older(given.problems)
    with refused(AuthenticationError, "version-lost", "kms:Decrypt"):
        given.log_in(Door(None))


# Before and after a change.


def no_change() -> None:
    raise AssertionError("The change was made.")


def failing(door: Door, opens: str, problem: Exception) -> Callable[[], None]:
    def change() -> None:
        door.opens = opens
        raise problem

    return change


def test_a_value_that_works_already_is_not_set_again() -> None:
    assert step().set_once(Door("new"), no_change) is False


def test_a_value_that_does_not_work_yet_is_set_and_not_tested_here() -> None:
    door, done = Door("old"), list[str]()
    assert step().set_once(door, lambda: done.append("set")) is True
    assert (door.tried, done) == (["new"], ["set"])


@pytest.mark.parametrize("problem", [NetworkError("lost"), ConfigurationError("reused"), ValueError("odd")])
def test_a_change_that_failed_is_a_success_if_the_value_works(problem: Exception) -> None:
    door = Door("old")
    assert step().set_once(door, failing(door, "new", problem)) is True
    assert door.tried == ["new", "new"]


@pytest.mark.parametrize("problem", [NetworkError("lost"), ConfigurationError("reused"), ValueError("odd")])
def test_a_change_that_failed_and_was_not_made_fails_as_it_did(problem: Exception) -> None:
    door = Door("old")
    with pytest.raises(type(problem)) as raised:
        step().set_once(door, failing(door, "old", problem))
    assert raised.value is problem


@pytest.mark.parametrize("problem", [NetworkError("gone"), LockedError("locked")])
def test_nothing_is_changed_when_the_service_cannot_be_asked(problem: RotationError) -> None:
    with pytest.raises(type(problem)):
        step().set_once(Door("old", new=problem), no_change)


def test_the_pending_value_is_not_tried_twice_before_the_change() -> None:
    door = Door("was")
    given = step()
    given.set_once(door, lambda: given.log_in(door))
    assert door.tried == ["new", "old", "was"]


def test_no_login_follows_when_the_bound_is_reached() -> None:
    door = Door(None)
    given = step(max_logins="3")
    with refused(AuthenticationError, "'max_logins'"):
        given.set_once(door, lambda: given.log_in(door))
    assert door.tried == ["new", "old", "was"]


def test_a_run_that_another_one_overtook_is_a_success() -> None:
    """The other one has set the value after this one had tested it: no older value works any more."""
    door: Any = Door(None)
    given = step(count=3)

    def search() -> None:
        door.opens = "new"
        given.log_in(door)

    assert given.set_once(door, search) is True


# The test of a value that the service may take a while to accept.


class Slow:
    """A service that refuses a value so many times before it accepts it."""

    def __init__(self, refusals: int, error: type[Exception] = AuthenticationError) -> None:
        self.refusals, self.error, self.tests = refusals, error, 0

    def __call__(self, subject: Credential) -> None:
        self.tests += 1
        if self.tests <= self.refusals:
            raise self.error("not yet")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, without waiting."""
    waited = list[float]()
    monkeypatch.setattr("secret_rotation.target.time.sleep", waited.append)
    return waited


def test_a_pending_value_that_is_refused_is_tested_again_until_it_is_accepted(pauses: list[float]) -> None:
    service = Slow(3)
    step().settle(service)
    assert (service.tests, pauses) == (4, [1, 2, 4])


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_value_is_refused_as_often_as_max_logins_allows(pauses: list[float], most: int) -> None:
    service = Slow(99)
    with pytest.raises(AuthenticationError, match="not yet") as caught:
        step(max_logins=str(most)).settle(service)
    assert (service.tests, len(pauses)) == (most, most - 1)
    assert ("'max_logins'" in str(caught.value)) == (most > 1)


def test_the_tests_of_a_value_end_with_the_time(pauses: list[float]) -> None:
    service = Slow(99)
    with pytest.raises(AuthenticationError):
        context(credential("s3cret-new"), seconds=5.0).settle(service)
    assert pauses == [1, 2]  # the clock stands still: for 4 s, and a test, there is no time


@pytest.mark.parametrize("error", [LockedError, NetworkError, ConfigurationError])
def test_only_a_refused_value_is_tested_again(pauses: list[float], error: type[RotationError]) -> None:
    service = Slow(1, error)
    with pytest.raises(error, match="not yet"):
        step().settle(service)
    assert (service.tests, pauses) == (1, [])


def test_a_current_value_is_tested_once(pauses: list[float]) -> None:
    known = credential("s3cret-old")
    for alone in (context(None, known), context(known, known)):
        service = Slow(1)
        with pytest.raises(AuthenticationError):
            alone.settle(service)
        assert (service.tests, pauses) == (1, [])
