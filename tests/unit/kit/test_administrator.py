"""The administrator's credential: where its password may go."""

import json

import pytest
from botocore.exceptions import ClientError

from secret_rotation.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    LockedError,
    RotationError,
)
from secret_rotation.kit import administrator
from secret_rotation.target import Credential
from tests.messages import refused
from tests.support.contexts import SECRET, context, credential

ADMIN = credential("s3cret", host="db")


@pytest.mark.parametrize(
    ("admin_host", "setting"), [("db", None), ("DB.", None), ("elsewhere", "db"), (None, "db"), (None, "Db")]
)
def test_its_password_goes_to_the_host_of_its_own_secret_or_of_the_setting(
    admin_host: str | None, setting: str | None
) -> None:
    given = context(None, **({"host": setting} if setting else {}))
    administrator.check_host(given, credential("s3cret", host=admin_host), "db")


@pytest.mark.parametrize("setting", [{}, {"host": "other"}])
def test_its_password_goes_to_no_other_host(setting: dict[str, str]) -> None:
    with refused(IdentityMismatchError, "administrator", "host"):
        administrator.check_host(context(None, **setting), ADMIN, "db" if setting else "evil")


def test_a_secret_without_a_host_needs_the_setting() -> None:
    with refused(ConfigurationError, "key 'host'", "setting 'host'"):
        administrator.check_host(context(None), credential("s3cret"), "db")


def test_what_no_stored_value_opens_names_server_user_and_setting() -> None:
    said = administrator.no_password_accepted("db:5432", "app")
    assert all(named in said for named in ("db:5432", "'app'", "'admin_secret_arn'"))


# Logging in as the administrator.

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf"


class Manager:
    """The client of Secrets Manager: it answers with a value, or with an error's code."""

    class exceptions:  # noqa: N801
        class ResourceNotFoundException(ClientError):  # noqa: N818
            """A secret or version that is not there."""

    def __init__(self, answer: str | None = None, **document: str) -> None:
        self._code, self._document = answer, document

    def __call__(self, service: str) -> "Manager":
        assert service == "secretsmanager"
        return self

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        assert SecretId == ARN
        if self._code == "ResourceNotFoundException":
            raise self.exceptions.ResourceNotFoundException({"Error": {"Code": self._code}}, "GetSecretValue")
        if self._code:
            raise ClientError({"Error": {"Code": self._code, "Message": "KMS"}}, "GetSecretValue")
        return {"VersionId": "v", "SecretString": json.dumps(self._document)}


def admin_logs_in(manager: Manager, problem: RotationError | None = None, rotated: str = "app") -> tuple[str, str]:
    def attempt(username: str, found: Credential) -> tuple[str, str]:
        if problem is not None:
            raise problem
        return username, found.value

    given = context(None, client=manager, admin_secret_arn=ARN)
    return administrator.log_in(given, "db", rotated, attempt, "default")


@pytest.mark.parametrize(("document", "username"), [({"username": "root"}, "root"), ({}, "default")])
def test_the_administrator_logs_in_with_the_value_as_it_is(document: dict[str, str], username: str) -> None:
    assert admin_logs_in(Manager(host="db", password="r00t-s3cret\n", **document)) == (username, "r00t-s3cret\n")


def test_a_refused_administrator_is_named_by_its_secret_with_a_remark_on_a_line_break() -> None:
    manager = Manager(host="db", password="r00t-s3cret\n")
    with refused(AuthenticationError, "server said no", ARN, "line break"):
        admin_logs_in(manager, AuthenticationError("server said no."))


def test_a_refused_administrator_without_white_space_has_no_such_remark() -> None:
    with pytest.raises(AuthenticationError) as raised:
        admin_logs_in(Manager(host="db", password="r00t-s3cret"), AuthenticationError("server said no."))
    assert "line break" not in str(raised.value)


def test_a_lock_out_of_the_administrator_stays_one() -> None:
    with refused(LockedError, ARN):
        admin_logs_in(Manager(host="db", password="r00t-s3cret"), LockedError("locked."))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ResourceNotFoundException", ConfigurationError),
        ("InvalidRequestException", ConfigurationError),
        ("DecryptionFailure", ConfigurationError),
        ("AccessDeniedException", AccessDeniedError),
    ],
)
def test_an_administrators_secret_that_cannot_be_read_is_named(code: str, kind: type[RotationError]) -> None:
    with refused(kind, ARN):
        admin_logs_in(Manager(code))


def test_an_administrator_does_not_rotate_itself_away() -> None:
    with refused(ConfigurationError, "'root'", "'admin_secret_arn'"):
        admin_logs_in(Manager(host="db", username="root", password="r00t-s3cret"), rotated="root")


def test_the_secret_that_rotates_is_not_the_administrators() -> None:
    with refused(ConfigurationError, "'admin_secret_arn'"):
        administrator.read(context(None, admin_secret_arn=SECRET))
