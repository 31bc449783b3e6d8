"""Descriptions of requests that are rejected: one table for the plan and for the function.

``tests/terraform/test_calls.py`` plans each, ``tests/unit/targets/test_calls.py`` gives each to the function.
"""

from typing import Any

URL = "https://api.example.com/keys"
TEST = {"url": f"{URL}/me", "auth": "bearer"}
SET = {"url": URL, "auth": "bearer", "body": {"value": "{{pending}}"}}
ISSUE = {"url": URL, "auth": "bearer", "values": {"value": "/value", "id": "/id"}}
LIST = {"url": URL, "auth": "bearer", "items": "", "name": "/name", "values": {"id": "/id"}}
BY_AWS = {"action": "iam:ListSSHPublicKeys", "items": "/SSHPublicKeys", "name": "/name", "values": {"id": "/id"}}
REVOKE = {"url": f"{URL}/{{{{retired.id}}}}", "method": "DELETE"}
ISSUED = {"list": LIST, "issue": ISSUE, "test": TEST, "revoke": REVOKE}
OURS = {"set": SET, "test": TEST}
KEYS = ("value", "id")


def with_field(step: str, base: Any = ISSUED, **fields: Any) -> dict[str, Any]:
    """The description, with other fields of one request; None: without that field."""
    request = {name: value for name, value in {**base[step], **fields}.items() if value is not None}
    return {**base, step: request}


REJECTED: list[tuple[dict[str, Any], list[str]]] = [
        ({**OURS, "tset": TEST}, ["calls.tset", "session", "revoke"]),
        (with_field("set", OURS, headrs={}), ["calls.set.headrs", "headers"]),
        ({**OURS, "set": [SET, {**SET, "headrs": {}}]}, ["calls.set[1].headrs", "headers"]),
        ({**OURS, "set": [SET] * 4}, ["calls.set", "one to 3"]),
        ({**OURS, "set": []}, ["calls.set", "one to 3"]),
        ({**OURS, "test": [TEST]}, ["calls.test", "one request"]),
        ({"set": SET}, ["calls.test", "missing"]),
        ({"test": TEST}, ["'set'", "'issue'"]),
        (with_field("set", OURS, url=None), ["calls.set", "url, action, target", "none"]),
        (with_field("set", OURS, action="iam:GetUser"), ["calls.set", "url and action"]),
        (with_field("set", OURS, parameters={}), ["calls.set.parameters", "'url'"]),
        (with_field("set", OURS, values={"value": "/v"}), ["calls.set.values", "'set'"]),
        (with_field("issue", retry=5), ["calls.issue.retry", "'issue'"]),
        ({**ISSUED, "issue": {"url": URL}}, ["calls.issue", "'values'"]),
        (with_field("set", OURS, method="put"), ["calls.set.method", "PUT"]),
        (with_field("set", OURS, status="2xx"), ["calls.set.status", "200-299"]),
        (with_field("set", OURS, retry="soon"), ["calls.set.retry", "whole number"]),
        (with_field("set", OURS, retry=0), ["calls.set.retry", "1 to 840"]),
        (with_field("set", OURS, auth="digest"), ["calls.set.auth", "bearer"]),
        (with_field("set", OURS, headers=["a"]), ["calls.set.headers", "object"]),
        (with_field("set", OURS, headers={"a b": "1"}), ["calls.set.headers", "a b"]),
        (with_field("set", OURS, headers={"a": "b\nc"}), ["calls.set.headers", "line break"]),
        (with_field("set", OURS, headers={"a": ["b"]}), ["calls.set.headers", "text"]),
        (with_field("issue", values={"value": "key.value", "id": "/id"}), ["calls.issue.values", "key.value"]),
        (with_field("issue", values={"value": "/a~2b", "id": "/id"}), ["calls.issue.values", "/a~2b"]),
        (with_field("issue", values={"value": "/value"}), ["calls.list.values", "id"]),
        (with_field("list", created="/a~"), ["calls.list.created", "~0"]),
        (with_field("set", OURS, match={"state": "active"}), ["calls.set.match", "state"]),
        (with_field("list", name=None, all=False), ["calls.list.all", "true"]),
        (with_field("set", OURS, url="http://api.example.com/"), ["calls.set.url", "tls", "disable"]),
        (with_field("set", OURS, url="https://api.example.com:99999/"), ["calls.set.url", "https://api.example.com/me"]),
        (with_field("set", OURS, url="https://api.example.com/é"), ["calls.set.url", "encode"]),
        ({**OURS, "set": "PUT"}, ["calls.set", "object"]),
        ({**OURS, "set": [[SET]]}, ["calls.set", "request"]),
        ({**OURS, "set": {"url": None}}, ["calls.set", "url, action, target"]),
        ({**OURS, "set": {"action": "iam:GetUser", "parameters": ["app"]}}, ["calls.set.parameters", "object"]),
        ({**OURS, "test": {"target": "redis", "settings": {"hots": "a"}}}, ["calls.test.settings", "hots", "host"]),
        (with_field("set", OURS, text="a"), ["calls.set", "body, form, text"]),
        (with_field("set", OURS, url="https://{{pending.host}}/"), ["calls.set.url", "placeholder in the host"]),
        (with_field("set", OURS, body={"a": ["{{pendng}}"]}), ["calls.set.body", "{{pendng}}", "expires|date"]),
        (with_field("set", OURS, body="{{session}}"), ["calls.set.body", "{{session}}", "calls.session"]),
        (with_field("set", OURS, body="{{session.token}}"), ["calls.set.body", "{{session.token}}", "header.NAME"]),
        (with_field("set", OURS, body="{{mark|number}}"), ["calls.set.body", "{{mark|number}}", "|number"]),
        (with_field("set", OURS, body="{{page}}"), ["calls.set.body", "{{page}}", "'set'"]),
        (with_field("set", OURS, next="/next"), ["calls.set.next", "'set'"]),
        (with_field("list", url=f"{URL}?from={{{{next}}}}"), ["calls.list.url", "{{next}}", "calls.list.next"]),
        (with_field("list", where=["a"]), ["calls.list.where", "object"]),
        (with_field("list", next="page/next"), ["calls.list.next", "pointer"]),
        (with_field("list", body="{{offset|zero}}"), ["calls.list.body", "{{offset|zero}}"]),
        (
            {**ISSUED, "list": {**BY_AWS, "parameters": {"UserName": "{{page}}"}}},
            ["calls.list.parameters", "{{page}}", "AWS"],
        ),
        (with_field("set", OURS, body="{{rotation.x}}"), ["calls.set.body", "{{rotation.x}}"]),
        (with_field("set", OURS, body="{{expires|week}}"), ["calls.set.body", "{{expires|week}}"]),
        (with_field("set", OURS, body="{{expires}}"), ["calls.set.body", "'lifetime_days'"]),
        (with_field("set", OURS, body="{{admin}}"), ["calls.set.body", "'admin_secret_arn'"]),
        (with_field("set", OURS, body="{{retired.id}}"), ["calls.set.body", "{{retired.id}}", "'set'"]),
        (with_field("test", OURS, token="{{admin}}"), ["calls.test.token", "{{admin}}"]),
        (with_field("set", OURS, token="{{session./t}}"), ["calls.set.token", "calls.session"]),
        (with_field("revoke", body="{{pending}}"), ["calls.revoke.body", "{{pending}}"]),
        (with_field("issue", values={"val": "/value"}), ["calls.issue.values", "'val'", "`keys`"]),
        (with_field("list", name=None), ["calls.list", "'name'", "'all'"]),
        (with_field("list", all=True), ["calls.list", "'name'", "'all'"]),
        (with_field("list", items="keys"), ["calls.list.items", "pointer"]),
        ({**OURS, "list": LIST}, ["calls.list", "'issue'", "'revoke'"]),
        ({**OURS, "set": {"target": "redis"}}, ["calls.set.target", "'set'"]),
        ({**OURS, "set": {"action": "elasticache"}}, ["calls.set.action", "elasticache:ModifyUser"]),
        (with_field("test", OURS, url=None, auth=None, target="reddis"), ["calls.test.target", "redis"]),
]  # fmt: skip
"""Description → what the message names, at plan and in the function."""
