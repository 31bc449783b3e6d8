"""The bad days of the target calls: a service that issues keys, and one that is given a value of ours."""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from rotation_lab.services import issuer
from secret_rotation.errors import NetworkError
from tests.operating import NONE, PREFLIGHT, Operating
from tests.support import described
from tests.target_contract import Installation, Setup, World


@pytest.fixture(scope="module")
def running() -> Iterator[issuer.Issuer]:
    with issuer.start(tls=True) as service:
        yield service


class Account(Installation):
    """An account, and the requests that are described for it."""

    def __init__(self, running: issuer.Issuer, *needs: str, ours: bool = False) -> None:
        self.running, self.keys = running, ["value"] if ours else ["value", "id"]
        self.credential = running.credential(secrets.token_hex(4), ours=ours)
        self.environment = self._environment(running.url, ours=ours)
        self._ours = ours
        super().__init__(self.credential, needs)

    def _environment(self, url: str, *, ours: bool) -> Mapping[str, str]:
        calls = (described.ours if ours else described.issued)(url, self.credential.name)
        return {"SECRET_KEYS": json.dumps(self.keys), "TARGET_CALLS": json.dumps(calls)}

    def at(self, host: str, port: int) -> Setup:
        """The requests say where."""
        self.environment = self._environment(f"https://{host}:{port}", ours=self._ours)
        return self.setup


class TestOperatingIssued(Operating):
    target = "calls"
    sample = NONE
    kept_for = 1
    not_applicable: ClassVar[Mapping[str, Any]] = {"put back": "a key that was revoked cannot be set again"}

    @pytest.fixture
    def service(self, running: issuer.Issuer) -> Account:
        return Account(running)


class TestOperatingIssuedByAdministrator(TestOperatingIssued):
    sample = PREFLIGHT

    @pytest.fixture
    def service(self, running: issuer.Issuer) -> Account:
        return Account(running, "admin")


class TestOperatingOurs(Operating):
    target = "calls"
    sample = NONE

    @pytest.fixture
    def service(self, running: issuer.Issuer) -> Account:
        return Account(running, ours=True)


def test_preflight_reaches_every_server_that_is_described(running: issuer.Issuer) -> None:
    account = Account(running)
    calls = json.loads(account.environment["TARGET_CALLS"])
    calls["revoke"]["url"] = "https://localhost:1/keys/{{retired.id}}"
    account.environment = {**account.environment, "TARGET_CALLS": json.dumps(calls)}
    world = World.make("calls", account, lambda of: of.setup)
    assert "calls.revoke" in world.refused(NetworkError, "testSecret", world.manager.test(world.arn))


def test_preflight_issues_and_revokes_nothing(running: issuer.Issuer) -> None:
    account = Account(running, "admin")
    world = World.make("calls", account, lambda of: of.setup)
    before = account.credential.working()
    world.step("testSecret", world.manager.test(world.arn))
    assert (account.credential.working(), account.credential.issued()) == (before, 0)
