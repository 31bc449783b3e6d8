"""The invariants of a rotation, under any sequence of steps, faults and people.

Each rule does one thing that may happen to a secret whose value opens a service; a step may be hit by a fault at any
moment: before or after any call to Secrets Manager or to the service. After each rule the invariants are checked, by
the names that ``docs/safety.md`` gives them. At the end a rotation without a fault must succeed.
"""

import contextlib
import io
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rotation_lab.model.secrets_manager import CURRENT, PENDING, STEPS, SecretsManager, ServiceError
from secret_rotation.errors import InternalError, NetworkError, RotationError, SecretError
from tests.support.function import ROTATION_TOKEN, RotationFunction, Service


class KilledError(BaseException):
    """The process dies here: nothing of the function runs any more."""


FAULTS = ["none", "none", "none", "none", "killed", "failed", "stale", "again", "cleared", "put", "cancelled"]
MOMENT = st.integers(0, 13)
"""When a fault happens: a step has about so many moments, before and after each call."""


class Rotations(RuleBasedStateMachine):
    """One secret, one service, and everybody who touches them."""

    @initialize(as_json=st.booleans())
    def start(self, as_json: bool) -> None:
        self.as_json, self.edits, self.shown = as_json, 0, io.StringIO()
        self.manager = SecretsManager()
        self.service = Service("mArKeR-value-0", self.manager.hooks)
        self.arn = self.manager.create(self.document())
        self.function = RotationFunction(
            self.manager, self.service, **({"SECRET_KEYS": '["password"]'} if as_json else {})
        )
        self.values: dict[str, Any] = {}
        self.tokens = [self.manager.rotate(self.arn)]
        self.watch()

    # What happens.

    @rule()
    def a_rotation_starts(self) -> None:
        self.tokens.append(self.manager.rotate(self.arn))

    @rule(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), fault=st.sampled_from(FAULTS), at=MOMENT)
    def some_steps_come(self, steps: list[str], fault: str, at: int) -> None:
        """Any steps, in any order and any number of times, and the first one hit by a fault."""
        self.hit(fault, at, steps[0], self.tokens[-1])
        for step in steps:
            self.run(step, self.tokens[-1])

    @rule(step=st.sampled_from(STEPS), data=st.data())
    def a_step_of_an_older_rotation_comes(self, step: str, data: st.DataObject) -> None:
        self.run(step, data.draw(st.sampled_from(self.tokens)))

    @rule(hit=st.sampled_from(STEPS), fault=st.sampled_from(FAULTS), at=MOMENT)
    def all_steps_come(self, hit: str, fault: str, at: int) -> None:
        """The service tries a rotation, until a step fails; one of them is hit by a fault."""
        self.tokens.append(self.manager.rotate(self.arn))
        for step in STEPS:
            if step == hit:
                self.hit(fault, at, step, self.tokens[-1])
            if not self.run(step, self.tokens[-1]):
                return
        self.manager.complete(self.arn)

    @rule(what=st.sampled_from([PENDING, "AWSPREVIOUS", "put", "reset", "cancel", "complete"]))
    def somebody_intervenes(self, what: str) -> None:
        """A person, or the service itself, which clears its label after a rotation."""
        if what in ("put", "reset"):
            self.a_person_puts_a_value_that_works(new_password=what == "reset")
        elif what in ("cancel", "complete"):
            getattr(self.manager, what)(self.arn)
        else:
            self.manager.clear(self.arn, what)

    def a_person_puts_a_value_that_works(self, *, new_password: bool) -> None:
        self.edits += 1
        if new_password:
            self.service.password = f"mArKeR-value-{self.edits}"
        self.manager.put(self.arn, self.document())

    @rule()
    def a_test_comes_alone(self) -> None:
        """RotateImmediately=false: one step on a temporary version, which is then taken away."""
        secret = self.manager.secrets[self.arn]
        if secret.holder(PENDING) not in (None, secret.holder(CURRENT)):
            return
        self.tokens.append(self.manager.test(self.arn))
        passed = self.run("testSecret", self.tokens[-1])
        assert passed is (self.password(secret.text()) == self.service.password)
        self.manager.withdraw(self.arn)

    @rule()
    def a_rotation_without_a_fault_succeeds(self) -> None:
        self.manager.stale_reads = 0
        token = self.function.rotate(self.arn)
        secret = self.manager.secrets[self.arn]
        assert secret.holder(CURRENT) == token
        assert secret.holder(PENDING) is None
        assert self.password(secret.text()) == self.service.password

    def teardown(self) -> None:
        if hasattr(self, "function"):
            self.a_rotation_without_a_fault_succeeds()
            self.check_all()

    # The invariants.

    def check_all(self) -> None:
        self.stored_before_applied_and_verified_before_finished()
        self.never_a_second_value_for_one_token()
        self.no_value_that_is_live_is_stranded()
        self.other_keys_stay_byte_for_byte()
        self.no_value_is_told()

    @invariant()
    def stored_before_applied_and_verified_before_finished(self) -> None:
        assert self.breaches == []

    @invariant()
    def never_a_second_value_for_one_token(self) -> None:
        for token, version in self.manager.secrets[self.arn].versions.items():
            if version.data:
                assert self.values.setdefault(token, version.data) == version.data

    @invariant()
    def no_value_that_is_live_is_stranded(self) -> None:
        assert self.service.password in self.stored()

    @invariant()
    def other_keys_stay_byte_for_byte(self) -> None:
        secret = self.manager.secrets[self.arn]
        if self.as_json:
            assert secret.text() == self.document(self.password(secret.text()))

    @invariant()
    def no_value_is_told(self) -> None:
        told = self.shown.getvalue()
        assert not {value for value in (*self.stored(), *self.manager.made, ROTATION_TOKEN) if value in told}
        self.shown.seek(0)
        self.shown.truncate()

    def watch(self) -> None:
        """Check at each call what must hold at that moment; an exception there would be the function's."""
        self.breaches: list[str] = []

        def stored_before_applied(moment: str, action: str) -> None:
            if (moment, action) == ("after", "ChangePassword") and self.service.password not in self.stored():
                self.breaches.append("stored before applied")

        def verified_before_finished(moment: str, action: str) -> None:
            if (moment, action) != ("after", "UpdateSecretVersionStage"):
                return
            if self.password(self.manager.secrets[self.arn].text()) != self.service.password:
                self.breaches.append("verified before finished")

        self.manager.hooks[:] = [stored_before_applied, verified_before_finished]

    # What the rules share.

    def document(self, password: str | None = None) -> str:
        value = json.dumps(self.service.password if password is None else password)
        return (
            f'{{"n": 1.0e400,\n "password" : {value}, "edits": {self.edits} }}' if self.as_json else json.loads(value)
        )

    def password(self, text: str | None) -> str:
        assert text is not None
        return str(json.loads(text)["password"]) if self.as_json else text

    def stored(self) -> set[str]:
        return {self.password(text) for text in self.manager.secrets[self.arn].texts()}

    def run(self, step: str, token: str) -> bool:
        """One step, and whether it was a success; refused steps must not have changed anything."""
        before = (self.service.password, self.manager.secrets[self.arn].texts())
        quiet = len(self.manager.hooks) == 2 and not self.manager.stale_reads
        try:
            with contextlib.redirect_stdout(self.shown):
                self.function(step, self.arn, token, RotationToken=ROTATION_TOKEN)
        except RotationError as error:
            print(error, file=self.shown)
            if quiet and isinstance(error, SecretError):  # refused before changed
                assert before == (self.service.password, self.manager.secrets[self.arn].texts())
            if isinstance(error, InternalError):
                self.breaches.append(str(error))
            return False
        except KilledError:
            return False
        finally:
            self.manager.stale_reads = 0
            del self.manager.hooks[2:]
        return True

    def hit(self, fault: str, at: int, step: str, token: str) -> None:
        """Let ``fault`` happen at one of the moments of the next step."""
        moments = iter(range(100))

        def happen(_: str, action: str) -> None:
            if next(moments) == at:
                del self.manager.hooks[2:]
                self.happens(fault, action, step, token)

        if fault != "none":
            self.manager.hooks.append(happen)

    def happens(self, fault: str, action: str, step: str, token: str) -> None:
        if fault == "killed":
            raise KilledError
        if fault == "failed":  # after a call: its answer is lost
            at_service = action in ("Login", "ChangePassword")
            raise NetworkError("No answer.") if at_service else ServiceError("ThrottlingException")
        if fault == "stale":
            self.manager.stale_reads = 2
        elif fault == "again":
            self.run(step, token)
        elif fault == "cleared":
            self.manager.clear(self.arn)
        elif fault == "cancelled":
            self.manager.cancel(self.arn)
        elif fault == "put" and step != "createSecret":
            self.a_person_puts_a_value_that_works(new_password=False)


TestRotations = Rotations.TestCase
TestRotations.settings = settings(stateful_step_count=20)
