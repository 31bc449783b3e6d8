"""A caller's own target, as the documentation shows it: a password that whoever logs in may change."""

import base64
import http.client
import json

from secret_rotation.target import AuthenticationError, Context, Credential, NetworkError


def identity(credential: Credential) -> dict[str, str]:
    return {name: credential.get(name) or "" for name in ("host", "port", "username")}


def set_secret(context: Context) -> None:
    for login in context.candidates():
        if _request(context, "PUT", "/password", login, {"password": context.pending.value}) == 204:
            return
    raise AuthenticationError("The API accepts none of the stored passwords.")


def test_secret(context: Context) -> None:
    if _request(context, "GET", "/me", context.subject) != 200:
        raise AuthenticationError("The API does not accept the password.")


def _request(context: Context, method: str, path: str, login: Credential, body: dict[str, str] | None = None) -> int:
    host, port = (login.get(name) or context.setting(name) for name in ("host", "port"))
    connection = http.client.HTTPConnection(host, int(port), timeout=context.deadline.timeout())
    user = base64.b64encode(f"app:{login.value}".encode()).decode()
    status = None
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Basic {user}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    if status is None:
        raise NetworkError("The API does not answer.")
    return status
