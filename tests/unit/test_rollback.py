"""Going back to an older value: the staging label ROLLBACK, and a rotation."""

import json
from typing import Any

import pytest

from rotation_lab.model.secrets_manager import CURRENT, PENDING, PREVIOUS, STEPS, SecretsManager
from secret_rotation import errors
from secret_rotation.target import Context
from tests.support import cli
from tests.support.function import RotationFunction, Service

KEYS = {"SECRET_KEYS": '["password"]'}


def document(password: str, note: str = "n") -> str:
    return json.dumps({"username": "app", "note": note, "password": password})


@pytest.fixture
def manager() -> SecretsManager:
    return SecretsManager()


def label(manager: SecretsManager, arn: str, version: str | None) -> None:
    """What docs/runbooks.md says."""
    secret = manager.secrets[arn]
    command = f"aws secretsmanager update-secret-version-stage --secret-id {arn} --version-stage ROLLBACK"
    cli.run(f"{command} --move-to-version-id {version}", lambda _: manager.client())
    assert secret.holder("ROLLBACK") == version


def password(text: str | None) -> str:
    return str(json.loads(str(text))["password"])


def test_service_and_secret_go_back_together_and_the_label_is_removed(manager: SecretsManager) -> None:
    arn, service = manager.create(document("old")), Service("old")
    function = RotationFunction(manager, service, **KEYS)
    function.rotate(arn)
    secret, bad = manager.secrets[arn], service.password
    label(manager, arn, secret.holder(PREVIOUS))
    made = len(manager.made)
    function.rotate(arn)
    assert (service.password, secret.text(), password(secret.text(PREVIOUS))) == ("old", document("old"), bad)
    assert (secret.holder("ROLLBACK"), len(manager.made)) == (None, made)
    function.rotate(arn)
    assert service.password == manager.made[-1] == password(secret.text())


def test_a_version_without_another_label_can_be_gone_back_to(manager: SecretsManager) -> None:
    arn, service = manager.create(document("old")), Service("old")
    function, first = RotationFunction(manager, service, **KEYS), manager.secrets[arn].holder(CURRENT)
    for _ in range(3):
        function.rotate(arn)
    label(manager, arn, first)
    function.rotate(arn)
    assert service.password == "old"


def test_keys_that_do_not_rotate_stay_as_they_are_now(manager: SecretsManager) -> None:
    arn, service = manager.create(document("old", "then")), Service("old")
    function, first = RotationFunction(manager, service, **KEYS), manager.secrets[arn].holder(CURRENT)
    function.rotate(arn)
    manager.put(arn, document(service.password, "now"))
    label(manager, arn, first)
    function.rotate(arn)
    assert manager.secrets[arn].text() == document("old", "now")


def test_plain_text_goes_back_too(manager: SecretsManager) -> None:
    arn = manager.create("old")
    function = RotationFunction(manager)
    function.rotate(arn)
    label(manager, arn, manager.secrets[arn].holder(PREVIOUS))
    function.rotate(arn)
    assert manager.secrets[arn].text() == "old"


def test_the_label_on_current_is_refused_with_the_command_to_go_on(manager: SecretsManager) -> None:
    """Left there, it would be on AWSPREVIOUS, and the next scheduled rotation would go back."""
    arn = manager.create("old")
    function, token = RotationFunction(manager), manager.rotate(arn)
    label(manager, arn, manager.secrets[arn].holder(CURRENT))
    with pytest.raises(errors.RollbackError, match="AWSCURRENT") as caught:
        function("createSecret", arn, token)
    cli.run(command(str(caught.value)), lambda _: manager.client())
    for step in STEPS:
        function(step, arn, token)
    assert manager.secrets[arn].text() == manager.made[-1] != "old"


def test_the_label_on_what_is_current_during_a_rotation_is_for_the_next_one(manager: SecretsManager) -> None:
    arn = manager.create("old")
    function, token = RotationFunction(manager), manager.rotate(arn)
    function("createSecret", arn, token)
    label(manager, arn, manager.secrets[arn].holder(CURRENT))
    for step in STEPS:  # the first one again, as a retry
        function(step, arn, token)
    manager.complete(arn)
    assert manager.secrets[arn].text() != "old"
    function.rotate(arn)
    assert manager.secrets[arn].text() == "old"


def test_a_label_that_comes_during_a_rotation_is_for_the_next_one(manager: SecretsManager) -> None:
    arn = manager.create("old")
    function, first = RotationFunction(manager), manager.secrets[arn].holder(CURRENT)
    function.rotate(arn)
    token = manager.rotate(arn)
    function("createSecret", arn, token)
    label(manager, arn, first)
    for step in STEPS[1:]:
        function(step, arn, token)
    manager.complete(arn)
    assert manager.secrets[arn].holder("ROLLBACK") == first
    function.rotate(arn)
    assert (manager.secrets[arn].text(), manager.secrets[arn].holder("ROLLBACK")) == ("old", None)


def test_a_second_delivery_of_finish_removes_a_label_that_was_left(manager: SecretsManager) -> None:
    arn = manager.create("old")
    function, first = RotationFunction(manager), manager.secrets[arn].holder(CURRENT)
    function.rotate(arn)
    label(manager, arn, first)
    token = function.rotate(arn)
    label(manager, arn, first)
    function("finishSecret", arn, token)
    assert manager.secrets[arn].holder("ROLLBACK") is None


@pytest.mark.parametrize(
    ("text", "named"), [('{"username": "app"}', "password"), (document(""), "value"), (b"\0", "SecretBinary")]
)
def test_a_version_that_cannot_be_taken_is_refused_with_the_command_to_go_on(
    manager: SecretsManager, text: Any, named: str
) -> None:
    arn = manager.create(text)
    manager.put(arn, document("now"))
    function = RotationFunction(manager, Service("now"), **KEYS)
    label(manager, arn, manager.secrets[arn].holder(PREVIOUS))
    token = manager.rotate(arn)
    with pytest.raises(errors.SecretError, match=named) as caught:
        function("createSecret", arn, token)
    cli.run(command(str(caught.value)), lambda _: manager.client())
    for step in STEPS:
        function(step, arn, token)
    assert password(manager.secrets[arn].text()) == manager.made[-1]


def command(message: str) -> str:
    return message[message.index("aws secretsmanager") :].split(". ")[0]


class Issuer(Service):
    """A service that makes the value itself, and forgets all but the last two."""

    def __init__(self) -> None:
        super().__init__("")
        self.valid = ["issued-0"]

    def create_secret(self, context: Context) -> dict[str, str]:
        self.valid = [self.valid[-1], f"issued-{len(self.attempts)}"]
        return {"password": self.valid[-1]}

    def set_secret(self, context: Context) -> None:
        pass

    def test_secret(self, context: Context) -> None:
        self.attempts.append(context.subject.value)
        if context.subject.value not in self.valid:
            raise errors.AuthenticationError("It is no value of ours.")


def test_an_issued_value_is_taken_again_while_the_service_accepts_it_and_refused_after(manager: SecretsManager) -> None:
    arn, issuer = manager.create(document("issued-0")), Issuer()
    function, first = RotationFunction(manager, issuer, **KEYS), manager.secrets[arn].holder(CURRENT)
    function.rotate(arn)
    valid = list(issuer.valid)
    label(manager, arn, first)
    function.rotate(arn)
    assert (password(manager.secrets[arn].text()), issuer.valid) == ("issued-0", valid)
    for _ in range(2):
        function.rotate(arn)
    label(manager, arn, first)
    token = manager.rotate(arn)
    with pytest.raises(errors.SecretError, match="issued"):
        function("createSecret", arn, token)
    assert manager.secrets[arn].holder(PENDING) == token
