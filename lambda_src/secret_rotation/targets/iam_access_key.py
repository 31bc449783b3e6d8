"""IAM access keys: a new key for a user, proved, and the key before the current one retired.

IAM shows a secret access key once, in the answer that makes it, and allows a user two keys. So:

- createSecret makes the key and returns it to be stored. When two are there already it first deletes the one that is
  not the current one: it should not have been used since the rotation before. After a rotation the user has the new key
  and the one before it, so consumers may take the new one at any time until the next rotation.
- setSecret has nothing to do: IAM accepts the key as soon as it has made it known everywhere.
- testSecret asks STS who the key belongs to.

What is never deleted: the only stored key that works, and a key that no version of the secret holds, since that one is
somebody else's. One exception: when createSecret dies between IAM's answer and the storing, a key is left whose
secret is lost. It is deleted when all of this is so: no version holds it, it was made after this rotation began,
before any run that could still store it, and it has never been used. Else the rotation stops and names the key.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..target import (
    AuthenticationError,
    ConfigurationError,
    Context,
    Credential,
    IdentityMismatchError,
    SecretError,
    aws,
)

MOST_KEYS = 2
"""IAM's quota of a user, which cannot be raised; inactive keys count too."""

ISSUES = True
"""IAM makes the values: an older key cannot be set again."""

PAUSES = (1.0, 2.0, 3.0, 4.0, 5.0)
"""Seconds between tries of a new key: IAM takes a while until every region knows it."""

CLOCK_SKEW = timedelta(seconds=5)


def create_secret(context: Context) -> dict[str, str]:
    """Make room if the user has two keys, and issue a new one."""
    user, names = User.of(context), Names.of(context)
    _check(context, names)
    _make_room(context, user, names)
    # A key whose maker has no time left to store it is lost.
    context.deadline.require((context.deadline.total or 0) / 3, "issue an access key and store it")
    key = user.create(context.client("iam", attempts=1))
    context.hide(key["SecretAccessKey"])
    context.log.info("A new access key is issued.")
    return {names.key_id: key["AccessKeyId"], names.secret_key: key["SecretAccessKey"]}


def issued_keys(_: Context) -> tuple[str, ...]:
    """None besides ``keys``, which must be what is issued."""
    return ()


def set_secret(context: Context) -> None:
    """Nothing to do: IAM issued the key, so it accepts it."""


def test_secret(context: Context) -> None:
    """Log in to STS with the key, which must be the user's."""
    user, names = User.of(context), Names.of(context)
    owner = _owner(context, context.subject, names)
    if owner != user.arn:
        raise IdentityMismatchError(f"The access key belongs to {owner}, not to {user.arn}. It is not used.")


def check(context: Context) -> None:
    """Look at the secret's keys, and at the user's access keys, of which there must be room for another."""
    user, names = User.of(context), Names.of(context)
    _check(context, names)
    keys = user.keys()
    stored = _stored(context, names, keys)
    strangers = [key for key_id, key in keys.items() if key_id not in stored]
    if len(keys) == MOST_KEYS and strangers and not _leftover(context, user, strangers):
        raise _strangers(user, strangers)


@dataclass(frozen=True)
class Names:
    """The keys of the JSON secret that hold the access key."""

    key_id: str
    secret_key: str

    @classmethod
    def of(cls, context: Context) -> "Names":
        """Read the settings."""
        return cls(
            context.setting("access_key_id_key"),
            context.setting("secret_access_key_key"),
        )


@dataclass(frozen=True)
class User:
    """An IAM user, over its keys. ``iam`` is a client with the function's role."""

    arn: str
    name: str
    iam: Any

    @classmethod
    def of(cls, context: Context) -> "User":
        """Read the setting ``user_arn``."""
        arn = context.setting("user_arn")
        return cls(arn, arn.rpartition("/")[2], context.client("iam"))

    def keys(self) -> dict[str, Mapping[str, Any]]:
        """AccessKeyMetadata by key id."""
        answer = self._call("ListAccessKeys", self.iam.list_access_keys)
        if answer is None:
            raise ConfigurationError(f"There is no IAM user {self.arn}. Create it, or correct 'user_arn'.")
        return {key["AccessKeyId"]: key for key in answer["AccessKeyMetadata"]}

    def create(self, once: Any) -> Mapping[str, str]:
        """CreateAccessKey, by a client that sends it once: a late answer and a second attempt would make two keys."""
        with aws.calling("iam:CreateAccessKey"):
            key: Mapping[str, str] = once.create_access_key(UserName=self.name)["AccessKey"]
        return key

    def delete(self, key_id: str) -> None:
        """DeleteAccessKey; a key that is gone already is a success."""
        self._call("DeleteAccessKey", self.iam.delete_access_key, AccessKeyId=key_id)

    def is_unused(self, key_id: str) -> bool:
        """Whether IAM has never seen the key used. Its record may be some hours behind."""
        with aws.calling("iam:GetAccessKeyLastUsed"):
            answer = self.iam.get_access_key_last_used(AccessKeyId=key_id)
        return "LastUsedDate" not in answer["AccessKeyLastUsed"]

    def _call(self, action: str, request: Callable[..., Any], **parameters: str) -> Any:
        """The answer; None when there is no such user or key."""
        with aws.calling(f"iam:{action}"):
            try:
                return request(UserName=self.name, **parameters)
            except self.iam.exceptions.NoSuchEntityException:
                return None


def _check(context: Context, names: Names) -> None:
    """Refuse, before a key is made, what would keep it from being stored."""
    wanted = [names.key_id, names.secret_key]
    current = context.current
    if current is None or sorted(current.keys) != sorted(wanted):
        listed = ", ".join(f'"{name}"' for name in wanted)
        raise ConfigurationError(
            f"An access key is two values of a JSON secret: set keys = [{listed}]. Other names are the settings "
            "'access_key_id_key' and 'secret_access_key_key'; other keys rotate with another call of the module."
        )
    longest = {names.key_id: "A" * 128, names.secret_key: "A" * 128}
    current.check_can_hold(longest)


def _make_room(context: Context, user: User, names: Names) -> None:
    keys = user.keys()
    if len(keys) < MOST_KEYS:
        return
    stored = _stored(context, names, keys)
    if len(stored) < len(keys):
        _delete_leftover(context, user, [key for key_id, key in keys.items() if key_id not in stored])
        return
    # The last in the order in which the versions would be used, but rather one that does not work anyway.
    inactive = [key_id for key_id in stored if keys[key_id]["Status"] != "Active"]
    user.delete((inactive or stored)[-1])
    context.log.info("The access key before the current one is deleted.")


def _stored(context: Context, names: Names, keys: Mapping[str, object]) -> list[str]:
    """The ids of ``keys`` that versions of the secret hold: current first, then previous, then without a label."""
    found: list[str] = []
    for candidate in context.candidates():
        key_id = candidate.get(names.key_id)
        if key_id is not None and key_id in keys and key_id not in found:
            found.append(key_id)
        if len(found) == len(keys):
            break  # so that no older version is read
    return found


def _delete_leftover(context: Context, user: User, strangers: Sequence[Mapping[str, Any]]) -> None:
    """Delete a key that a broken run of this rotation made and did not store; refuse to touch any other key."""
    key = _leftover(context, user, strangers)
    if key is None:
        raise _strangers(user, strangers)
    _require_settled(context, key)
    user.delete(key["AccessKeyId"])
    context.log.warning("An access key that an earlier run made and could not store is deleted.")


def _leftover(context: Context, user: User, strangers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The key that a broken run of this rotation made and did not store."""
    began = _began(context)
    made = (key for key in strangers if began is not None and key["CreateDate"] >= began)
    return next((key for key in made if user.is_unused(key["AccessKeyId"])), None)


def _strangers(user: User, strangers: Sequence[Mapping[str, Any]]) -> SecretError:
    named = " and ".join(str(key["AccessKeyId"]) for key in strangers)
    return SecretError(
        f"The user {user.name} has two access keys, and no version of the secret holds {named}. It may be in use "
        "elsewhere, so it is not deleted. Put it into the secret, or delete it in IAM, and rotate again. A user whose "
        "keys rotate has its keys in one secret only."
    )


def _began(context: Context) -> datetime | None:
    """When Secrets Manager made the version of this rotation."""
    for version in context.secrets.versions(context.secret_id):
        if "AWSPENDING" in version.labels:
            return version.created.replace(microsecond=0)  # IAM's dates are whole seconds
    return None


def _require_settled(context: Context, key: Mapping[str, Any]) -> None:
    """Refuse while the run that made the key may still be about to store it: a step may run twice at once."""
    longest_run = timedelta(seconds=context.deadline.total or 0) + CLOCK_SKEW
    if datetime.now(UTC) - key["CreateDate"] < longest_run:
        raise SecretError(
            "Another run of this rotation has just issued an access key, and may be about to store it. The rotation "
            f"is tried again; after {longest_run.seconds} s a key that is still not stored is deleted."
        )


def _owner(context: Context, credential: Credential, names: Names) -> str:
    """The ARN of whom the key belongs to. Raises ``AuthenticationError`` when STS does not come to accept it."""
    sts = context.client(
        "sts",
        aws_access_key_id=credential.require(names.key_id),
        aws_secret_access_key=credential.require(names.secret_key),
    )
    for pause in (*PAUSES, 0):
        try:
            with aws.calling("sts:GetCallerIdentity"):
                return str(sts.get_caller_identity()["Arn"])
        except AuthenticationError:
            if not pause or context.deadline.remaining() < 2 * pause + 5:
                break
        time.sleep(pause)
    raise AuthenticationError(
        "STS does not accept the access key. If it is new, the rotation is tried again. If somebody deleted or "
        "deactivated it in IAM: remove AWSPENDING from its version and rotate again."
    )
