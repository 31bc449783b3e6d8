"""Described requests to the service *issuer*, for the target ``calls``."""

from typing import Any
from urllib.parse import urlsplit


def issued(url: str, account: str, *, lists: bool = True, names: bool = True) -> dict[str, Any]:
    """A key that the service issues; without ``names`` all that it lists is the secret's."""
    whose = {"name": "/name"} if names else {"all": True}
    calls: dict[str, Any] = {
        "list": {
            "url": f"{url}/{account}/keys",
            "auth": "bearer",
            "items": "/keys",
            "created": "/created",
            "values": {"id": "/id"},
            **whose,
        },
        "issue": {
            "url": f"{url}/{account}/keys",
            "auth": "bearer",
            "body": {"name": "{{rotation}}"} if names else {},
            "values": {"value": "/key/value", "id": "/key/id"},
        },
        "test": {"url": f"{url}/{account}", "auth": "bearer"},
        "revoke": {
            "method": "DELETE",
            "url": f"{url}/{account}/keys/{{{{retired.id}}}}",
            "auth": "bearer",
            "status": "204,404",
        },
    }
    return calls if lists else {step: request for step, request in calls.items() if step != "list"}


def by_aws(url: str, account: str) -> dict[str, Any]:
    """A value of ours, which ElastiCache's API sets beside the current one, and Redis, at the URL, tests."""
    address = urlsplit(url)
    settings = {"host": address.hostname, "port": str(address.port), "username": account, "tls": "disable"}
    passwords = ["{{pending.password}}", "{{current.password}}"]
    user = {"UserId": account}
    applied = {"match": {"/Users/0/Status": "active"}, "retry": 30}
    settled = {"action": "elasticache:DescribeUsers", "parameters": user, **applied}
    modify = {"action": "elasticache:ModifyUser", "parameters": {**user, "Passwords": passwords}}
    return {
        "set": [settled, modify, settled],
        "test": {"target": "redis", "settings": settings},
    }


def ours(url: str, account: str) -> dict[str, Any]:
    """A value of ours, which two requests set."""
    return {
        "set": [
            {"url": f"{url}/{account}/draft", "auth": "bearer", "body": {"value": "{{pending.value}}"}},
            {"url": f"{url}/{account}/apply", "method": "POST", "auth": "bearer"},
        ],
        "test": {"url": f"{url}/{account}", "auth": "bearer"},
    }
