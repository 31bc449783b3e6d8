"""Going back to an older value, in the service and in the secret: that of the version with the label ROLLBACK.

An operator attaches the label and rotates. createSecret takes the version's values again in place of new ones, the
other steps are those of any rotation, and finishSecret removes the label. To move AWSCURRENT instead would hand
consumers a value that the service no longer accepts.

What is not rotated stays as it is in AWSCURRENT. Of two users who take turns it is the other one who gets the password.
"""

from collections.abc import Collection

from .credential import Credential
from .errors import AuthenticationError, RollbackError, SecretError
from .store import CURRENT, Description

LABEL = "ROLLBACK"


def wanted(about: Description) -> str | None:
    """The version to go back to; None where there is none."""
    return about.holder(LABEL)


def is_current(about: Description) -> bool:
    """Whether there is nothing to go back to. The label would stay, and a later rotation go back to what was left."""
    return about.holder(LABEL) == about.holder(CURRENT)


def values(credential: Credential | None, keys: Collection[str]) -> dict[str, str]:
    """What is rotated in a version, by key; of plain text by the key "". Raises ``SecretError`` where it has none."""
    if credential is None:
        raise SecretError("It has no value.")
    if not keys:
        credential.document.check_plain()
        return {"": credential.text}
    credential.document.find(keys)
    return {key: credential.require(key) for key in keys}


def is_same(one: Credential | None, other: Credential | None, keys: Collection[str]) -> bool:
    """Whether two versions hold the same values of what is rotated."""
    if one is None or other is None:
        return False
    return all(one.get(key) == other.get(key) for key in keys) if keys else one.text == other.text


def refused(secret_id: str, version: str, problem: Exception) -> RollbackError:
    """Why the version cannot be taken again, and how to go on without it."""
    reason = str(problem)
    if isinstance(problem, AuthenticationError):
        reason = f"Its value was issued by the service, which no longer accepts it and does not let it be set. {reason}"
    return RollbackError(
        f"The version with the staging label {LABEL} cannot be taken again. {reason} Remove the label: aws "
        f"secretsmanager update-secret-version-stage --secret-id {secret_id} --version-stage {LABEL} "
        f"--remove-from-version-id {version}. Then rotate again, for a new value."
    )
