"""A caller's own target for a service that issues the value itself: keys, of which it keeps three at most.

A key that was issued and never stored, since the function died in between, is deleted when a rotation has finished.
"""

import base64
import http.client
import json

from secret_rotation.target import AuthenticationError, Context, Credential, NetworkError, TargetError


def create_secret(context: Context) -> dict[str, str]:
    login = _login(context)
    status, body = _request(context, "POST", login)
    if status != 200:
        raise TargetError(f"The API issued no key ({status}).")
    return {"api_key": str(json.loads(body)["key"])}


def set_secret(context: Context) -> None:
    """The key is valid from the moment it is issued."""


def test_secret(context: Context) -> None:
    if _request(context, "GET", context.subject)[0] != 200:
        raise AuthenticationError("The API does not accept the key.")


def finish_secret(context: Context) -> None:
    _request(context, "DELETE", context.subject, keep=next(context.older(), None))


def _login(context: Context) -> Credential:
    for login in context.candidates():
        if _request(context, "GET", login)[0] == 200:
            return login
    raise AuthenticationError("The API accepts none of the stored keys.")


def _request(context: Context, method: str, login: Credential, keep: Credential | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": "Basic " + base64.b64encode(f"app:{login.value}".encode()).decode()}
    if keep is not None:
        headers["X-Keep"] = keep.value
    connection = http.client.HTTPConnection(
        login.require("host"), int(login.require("port")), timeout=context.deadline.timeout()
    )
    answer = None
    try:
        connection.request(method, "/me" if method == "GET" else "/keys", headers=headers)
        response = connection.getresponse()
        answer = response.status, response.read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    if answer is None:
        raise NetworkError("The API does not answer.")
    return answer
