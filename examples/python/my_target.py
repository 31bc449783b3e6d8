"""A target of our own: the password of a user of the service *door*, over its small HTTP API.

PUT /password (as the user) sets a new password, GET /me says who is logged in.
"""

import base64
import http.client
import json
from urllib.parse import urlsplit

from secret_rotation.target import AuthenticationError, ConfigurationError, Context, Credential, NetworkError


def set_secret(context: Context) -> None:
    """Make the service accept the pending password.

    To set it one has to log in, and which password works now depends on where an earlier try ended: so all that may
    work are tried, the pending one first.
    """
    for candidate in context.candidates():
        status = call(context, candidate, "PUT", "/password", {"password": context.pending.value})
        if status == 204:
            return
        if status != 401:
            raise ConfigurationError(f"PUT /password answered {status}.")
    raise AuthenticationError("The service accepts no stored password. Put a working one by hand.")


def test_secret(context: Context) -> None:
    """Log in with the password that is to be tested."""
    status = call(context, context.subject, "GET", "/me")
    if status == 401:
        raise AuthenticationError("The service refused the password.")
    if status != 200:
        raise ConfigurationError(f"GET /me answered {status}.")


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
