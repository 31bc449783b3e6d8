"""Passwords from Secrets Manager."""

from tests.support.made import make


def test_a_password_is_what_secrets_manager_makes() -> None:
    assert make(type="password") == {"k": "made"}
