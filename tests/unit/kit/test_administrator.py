"""The administrator's credential: where its password may go."""

import pytest

from secret_rotation.errors import AuthenticationError, ConfigurationError, IdentityMismatchError
from secret_rotation.kit import administrator
from tests.messages import assert_explains, refused
from tests.support.contexts import context, credential

ADMIN = credential("s3cret", host="db")


@pytest.mark.parametrize(("admin_host", "setting"), [("db", None), ("elsewhere", "db"), (None, "db")])
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


def test_a_lock_out_names_server_user_and_what_was_tried() -> None:
    error = administrator.no_password_accepted("db:5432", "app")
    assert_explains(error, AuthenticationError, "db:5432", "'app'", "pending, current, previous", "'admin_secret_arn'")
