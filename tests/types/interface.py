"""The types of the public interface: mypy checks this file, nothing runs it.

An ignored error must be one: mypy reports an ``ignore`` that nothing needs.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, assert_type

from examples.python import my_target
from secret_rotation.target import Context, Credential, Secrets, Target, Version, aws, explained, tls
from secret_rotation.targets import http, iam_access_key, mysql, postgresql, rds_data, redis
from tests.faults.targets.issuing import custom_target as issuing
from tests.faults.targets.password import custom_target as password


class File(Protocol):
    """What every target file has."""

    def set_secret(self, context: Context, /) -> None: ...
    def test_secret(self, context: Context, /) -> None: ...


class Identified(File, Protocol):
    """A file that says whom a credential is for."""

    def identity(self, credential: Credential, /) -> Mapping[str, str]: ...


class Issuing(File, Protocol):
    """A file that returns values of its own."""

    def create_secret(self, context: Context, /) -> Mapping[str, str]: ...


IDENTIFIED: list[Identified] = [http, mysql, postgresql, redis, rds_data, my_target, password]
ISSUING: list[Issuing] = [iam_access_key, mysql, postgresql, issuing]
CONVERTED: list[Target] = [Target.of("own", file) for file in (*IDENTIFIED, *ISSUING)]


def set_secret(context: Context) -> None:
    """What a target may ask of its context."""
    assert_type(context.secret_id, str)
    assert_type(context.pending, Credential)
    assert_type(context.current, Credential | None)
    assert_type(context.candidates(), Iterator[Credential])
    assert_type(context.pending.value, str)
    assert_type(context.pending.get("key"), str | None)
    assert_type(context.pending.require("key"), str)
    assert_type(context.setting("name"), str)
    assert_type(context.settings, Mapping[str, str])
    assert_type(context.deadline.timeout(5), float)
    assert_type(context.secrets, Secrets)
    assert_type(context.secrets.read_current("arn"), Credential | None)
    assert_type(context.secrets.versions("arn"), Iterator[Version])
    assert_type([version.created for version in context.secrets.versions("arn")], list[datetime])
    assert_type(context.client("iam"), Any)
    context.hide("issued")
    context.log.info("A line.", candidate=context.pending.version)
    with aws.calling("iam:GetUser"), explained(lambda error: tls.refused(str(error)), OSError):
        context.client("iam").get_user()


def test_secret(context: Context) -> None:
    """What it must not."""
    _ = context.secret_id.value  # type: ignore[attr-defined]
    context.pending.text = "other"  # type: ignore[misc]
    context.setting("name", None).upper(1)  # type: ignore[call-arg]


def identity(credential: Credential) -> dict[str, str]:
    """A dict is a mapping."""
    return {"host": credential.require("host")}


def wrong(context: Context) -> int:
    """Not the result that a step has."""
    return len(context.pending.text)


FOUND = Target(set_secret, test_secret, identity=identity, test_writes=True)
Target(set_secret, test_secret, create_secret=wrong)  # type: ignore[arg-type]
Target(set_secret)  # type: ignore[call-arg]
FOUND.set_secret = test_secret  # type: ignore[misc]
