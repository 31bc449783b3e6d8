"""A target of our own: the password of a user of the service *door*, over its small HTTP API.

PUT /password (as the user) sets a new password, GET /me says who is logged in.
"""

import base64
import http.client
import json
from urllib.parse import urlsplit

from secret_rotation.target import AuthenticationError, ConfigurationError, Context, Credential, NetworkError


def set_secret(context: Context) -> None:
    """Make the service accept the pending password, unless it does already.

    To set it one has to log in, and which password works now depends on where an earlier try ended: so all that may
    work are tried.
    """
    context.set_once(
        lambda pending: log_in(context, pending),
        lambda: context.log_in(lambda login: set_password(context, login), "The service accepts no stored password."),
    )


def test_secret(context: Context) -> None:
    """Log in with the password that is to be tested."""
    log_in(context, context.subject)


def set_password(context: Context, login: Credential) -> bool:
    """Set the pending password, logged in with another one."""
    return expect(204, call(context, login, "PUT", "/password", {"password": context.pending.value}))


def log_in(context: Context, login: Credential) -> bool:
    """Ask the service who is logged in."""
    return expect(200, call(context, login, "GET", "/me"))


def expect(wanted: int, status: int) -> bool:
    """Raise what another status means."""
    if status == 401:
        raise AuthenticationError("The service refused the password.")
    if status != wanted:
        raise ConfigurationError(f"The service answered {status}.")
    return True


def identity(credential: Credential) -> dict[str, str]:
    """Whoever may write a version of the secret must not change whose password is set."""
    return {"username": credential.get("username", "") or ""}


def call(context: Context, login: Credential, method: str, path: str, body: object = None) -> int:
    """The status of a request. The service's address is a setting, so that no version of the secret can move it."""
    url = urlsplit(context.setting("url"))
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=context.deadline.timeout(5))
    user = base64.b64encode(f"{login.require('username')}:{login.value}".encode()).decode()
    try:
        connection.request(method, path, json.dumps(body), {"Authorization": f"Basic {user}"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NetworkError(f"{url.netloc}: no answer ({type(error).__name__}).") from None
    finally:
        connection.close()
