"""Services that issue keys, as their vendors document them: pages, logins, answers and ids of many shapes.

Each is a stand-in, written from the documentation of an API; its description uses what docs/calls.md says and no more.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, ClassVar

from tests.support.standin import Answered, Asked, Service

ADMIN = "admin-Kz83nQ5mWx1v"
OTHERS = 4
"""Keys of other people, on the pages before our own."""
YEAR = 365 * 86_400


class Keys(Service):
    """A service that issues keys. A subclass says how they are asked for, and where they stand in answers."""

    keys: tuple[str, ...] = ("value", "id")
    settings: ClassVar[Mapping[str, str]] = {}
    admin: ClassVar[Any] = ADMIN

    def __init__(self) -> None:
        self.held: list[dict[str, Any]] = [self.made(f"other {number}") for number in range(OTHERS)]
        self.first = self.made("first")
        self.held.append(self.first)

    def made(self, name: str, age: float = YEAR) -> dict[str, Any]:
        return {"id": self.new_id(), "name": name, "value": f"v-{secrets.token_hex(12)}", "created": time.time() - age}

    def new_id(self) -> Any:
        return secrets.token_hex(6)

    def issue(self, name: str) -> dict[str, Any]:
        self.held.append(self.made(name, 0.0))
        return self.held[-1]

    def end(self, key_id: object) -> Answered:
        left = [key for key in self.held if key["id"] != key_id]
        gone, self.held = len(left) < len(self.held), left
        return Answered(204 if gone else 404)

    def works(self, value: object) -> bool:
        return any(key["value"] == value for key in self.held)

    def ours(self) -> list[Any]:
        return [str(key["id"]) for key in self.held if not key["name"].startswith("other")]

    def calls(self) -> dict[str, Any]:
        raise NotImplementedError


class Datadog(Keys):
    """Two headers, JSON:API, pages counted from 0 in a parameter with brackets."""

    admin: ClassVar[Any] = {"api_key": "public", "application_key": ADMIN}

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/validate":
            return Answered(200 if self.works(asked.headers.get("Dd-Application-Key")) else 403, {"valid": True})
        if asked.headers.get("Dd-Application-Key") != ADMIN or asked.headers.get("Dd-Api-Key") != "public":
            return Answered(403)
        if asked.method == "DELETE":
            return self.end(asked.path.rpartition("/")[2])
        if asked.method == "POST":
            return Answered(201, {"data": self.shown(self.issue(asked.json["data"]["attributes"]["name"]), whole=True)})
        number, size = int(asked.query["page[number]"]), int(asked.query["page[size]"])
        page = self.held[number * size : (number + 1) * size]
        return Answered(200, {"data": [self.shown(key) for key in page]})

    def shown(self, key: Mapping[str, Any], *, whole: bool = False) -> Any:
        attributes = {"name": key["name"], "created_at": formatted(key["created"])}
        return {"id": key["id"], "attributes": attributes | ({"key": key["value"]} if whole else {})}

    def calls(self) -> dict[str, Any]:
        login = {"DD-API-KEY": "{{admin.api_key}}", "DD-APPLICATION-KEY": "{{admin.application_key}}"}
        url = f"{self.url}/api/v2/current_user/application_keys"
        named = {"data": {"type": "application_keys", "attributes": {"name": "{{rotation}}"}}}
        return {
            "list": {
                "url": f"{url}?page[size]=2&page[number]={{{{page|zero}}}}",
                "headers": login,
                "items": "/data",
                "name": "/attributes/name",
                "created": "/attributes/created_at",
                "values": {"id": "/id"},
            },
            "issue": {
                "url": url,
                "headers": login,
                "body": named,
                "values": {"value": "/data/attributes/key", "id": "/data/id"},
            },
            "test": {"url": f"{self.url}/validate", "headers": {"DD-APPLICATION-KEY": "{{login.value}}"}},
            "revoke": {
                "method": "DELETE",
                "url": f"{url}/{{{{retired.id}}}}",
                "headers": login,
                "status": "204,404",
            },
        }


class Twilio(Keys):
    """Basic authentication by id and value, forms, the next page as a path, times as in e-mails."""

    keys = ("secret", "sid")
    admin: ClassVar[Any] = {"sid": "AC0", "token": ADMIN}

    def answer(self, asked: Asked) -> Answered:
        user, _, password = decoded(asked).partition(":")
        if asked.path == "/2010-04-01/Accounts/AC0.json":
            return Answered(200 if any((k["id"], k["value"]) == (user, password) for k in self.held) else 401, {})
        if (user, password) != ("AC0", ADMIN):
            return Answered(401)
        if asked.method == "DELETE":
            return self.end(asked.path.rpartition("/")[2].removesuffix(".json"))
        if asked.method == "POST":
            made = self.issue(asked.form["FriendlyName"])
            return Answered(201, {**shown(made, formatdate), "secret": made["value"]})
        number, size = int(asked.query.get("Page", "0")), int(asked.query["PageSize"])
        more = f"{asked.path}?PageSize={size}&Page={number + 1}" if len(self.held) > (number + 1) * size else None
        page = self.held[number * size : (number + 1) * size]
        return Answered(200, {"keys": [shown(key, formatdate) for key in page], "next_page_uri": more})

    def calls(self) -> dict[str, Any]:
        login = {"auth": "basic", "username": "{{admin.sid}}", "password": "{{admin.token}}"}
        url = f"{self.url}/2010-04-01/Accounts/AC0"
        return {
            "list": {
                "url": f"{url}/Keys.json?PageSize=2",
                **login,
                "items": "/keys",
                "next": "/next_page_uri",
                "name": "/friendly_name",
                "created": "/date_created",
                "values": {"sid": "/sid"},
            },
            "issue": {
                "url": f"{url}/Keys.json",
                **login,
                "form": {"FriendlyName": "{{rotation}}"},
                "values": {"secret": "/secret", "sid": "/sid"},
            },
            "test": {
                "url": f"{url}.json",
                "auth": "basic",
                "username": "{{login.sid}}",
                "password": "{{login.secret}}",
            },
            "revoke": {
                "method": "DELETE",
                "url": f"{url}/Keys/{{{{retired.sid}}}}.json",
                **login,
                "status": "204,404",
            },
        }


class NewRelic(Keys):
    """GraphQL: every request is a POST, an error has status 200, the cursor of the next page is a variable."""

    def answer(self, asked: Asked) -> Answered:
        key, query, given = asked.headers.get("Api-Key"), asked.json["query"], asked.json.get("variables", {})
        if "requestContext" in query:
            return Answered(200, {"data": {}} if self.works(key) else {"errors": [{"message": "invalid key"}]})
        if key != ADMIN:
            return Answered(200, {"errors": [{"message": "invalid key"}]})
        if "CreateKeys" in query:
            made = self.issue(given["name"])
            return Answered(200, {"data": {"createKeys": {"createdKeys": [{"key": made["value"], "id": made["id"]}]}}})
        if "DeleteKeys" in query:
            self.end(given["id"])
            return Answered(200, {"data": {}})
        at = int(given["cursor"] or 0)
        found: dict[str, Any] = {"keys": [shown(key, int) for key in self.held[at : at + 2]]}
        found |= {"nextCursor": str(at + 2) if len(self.held) > at + 2 else None}
        return Answered(200, {"data": {"actor": {"apiAccess": {"keySearch": found}}}})

    def calls(self) -> dict[str, Any]:
        def request(query: str, login: str = "{{admin}}", **variables: Any) -> dict[str, Any]:
            body = {"query": query, "variables": variables} if variables else {"query": query}
            return {"method": "POST", "url": f"{self.url}/graphql", "headers": {"Api-Key": login}, "body": body}

        found = "/data/actor/apiAccess/keySearch"
        created = "/data/createKeys/createdKeys/0"
        return {
            "list": {
                **request("query($cursor:String){actor{apiAccess{keySearch(cursor:$cursor){x}}}}", cursor="{{next}}"),
                "match": {"/errors": None},
                "items": f"{found}/keys",
                "next": f"{found}/nextCursor",
                "name": "/friendly_name",
                "created": "/date_created",
                "values": {"id": "/sid"},
            },
            "issue": {
                **request(
                    "mutation($name:String){apiAccessCreateKeys(x:$name){createdKeys{id key}}}", name="{{rotation}}"
                ),
                "values": {"value": f"{created}/key", "id": f"{created}/id"},
            },
            "test": {**request("{requestContext{userId}}", "{{login.value}}"), "match": {"/errors": None}},
            "revoke": {
                **request("mutation($id:ID!){apiAccessDeleteKeys(x:$id){deletedKeys{id}}}", id="{{retired.id}}"),
                "match": {"/errors": None},
            },
        }


class Appliance(Keys):
    """A login that gives a cookie and a header against forged requests; ids are numbers, and are sent as such."""

    admin: ClassVar[Any] = {"username": "root", "password": ADMIN}

    def __init__(self) -> None:
        self.last = 0
        super().__init__()

    def new_id(self) -> int:
        self.last += 1
        return self.last

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/me":
            return Answered(200 if self.works(asked.headers.get("X-Api-Token")) else 401)
        if asked.path == "/login":
            if asked.json != {"user": "root", "password": ADMIN}:
                return Answered(401)
            cookies = [("Set-Cookie", "SID=s3ss; Path=/; HttpOnly"), ("Set-Cookie", "lang=en; Max-Age=9")]
            return Answered(204, None, [*cookies, ("X-Csrf-Token", "csrf-1")])
        if (asked.headers.get("Cookie"), asked.headers.get("X-Csrf-Token")) != ("SID=s3ss; lang=en", "csrf-1"):
            return Answered(401)
        if asked.path == "/tokens/delete":
            return self.end(asked.json["ids"][0])
        if asked.method == "POST":
            made = self.issue(asked.json["label"])
            return Answered(202, {"token": made["value"], "id": made["id"]})
        users = [{"name": "bot", "tokens": [shown(key, int) for key in self.held]}, {"name": "ops", "tokens": []}]
        return Answered(200, {"users": users})

    def calls(self) -> dict[str, Any]:
        login = {"headers": {"Cookie": "{{session.cookies}}", "X-CSRF-Token": "{{session.header.X-CSRF-Token}}"}}
        who = {"user": "{{admin.username}}", "password": "{{admin.password}}"}
        return {
            "session": {"url": f"{self.url}/login", "body": who},
            "list": {
                "url": f"{self.url}/tokens",
                **login,
                "items": "/users/*/tokens",
                "name": "/friendly_name",
                "values": {"id": "/sid"},
            },
            "issue": {
                "url": f"{self.url}/tokens",
                **login,
                "body": {"label": "{{rotation}}"},
                "values": {"value": "/token", "id": "/id"},
            },
            "test": {"url": f"{self.url}/me", "headers": {"X-Api-Token": "{{login.value}}"}, "retry": 20},
            "revoke": {
                "url": f"{self.url}/tokens/delete",
                **login,
                "body": {"ids": ["{{retired.id|number}}"]},
                "status": "204,404",
            },
        }


class Elastic(Keys):
    """The list is an object, whose names are the ids; the name is a part of the URL; the next page is in Link."""

    def answer(self, asked: Asked) -> Answered:
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if asked.path == "/_security/_authenticate":
            return Answered(200 if self.works(token) else 401, {})
        if token != ADMIN:
            return Answered(401)
        name = asked.path.rpartition("/")[2]
        if asked.method == "DELETE":
            found = next((key["id"] for key in self.held if key["name"] == name), None)
            return self.end(found)
        if asked.method == "POST":
            return Answered(200, {"created": True, "token": {"name": name, "value": self.issue(name)["value"]}})
        at = int(asked.query.get("from", "0"))
        more = [("Link", f'<http://internal/?x>; rel="first", <{asked.path}?from={at + 2}>; rel="next"')]
        page: dict[str, Any] = {key["name"]: {} for key in self.held[at : at + 2]}
        return Answered(200, {"tokens": page}, more if len(self.held) > at + 2 else [])

    def ours(self) -> list[Any]:
        return [key["name"] for key in self.held if not key["name"].startswith("other")]

    def calls(self) -> dict[str, Any]:
        url = f"{self.url}/_security/service/elastic/kibana/credential"
        return {
            "list": {"url": url, "auth": "bearer", "items": "/tokens", "name": "/key", "values": {"id": "/key"}},
            "issue": {
                "url": f"{url}/token/{{{{rotation}}}}",
                "auth": "bearer",
                "values": {"value": "/token/value", "id": "/token/name"},
            },
            "test": {"url": f"{self.url}/_security/_authenticate", "auth": "bearer"},
            "revoke": {
                "method": "DELETE",
                "url": f"{url}/token/{{{{retired.id}}}}",
                "auth": "bearer",
                "status": "200,204,404",
            },
        }


class PanOs(Keys):
    """XML: the session is a key in it, and so is the list; a single item is a list too."""

    admin: ClassVar[Any] = {"username": "root", "password": ADMIN}

    def answer(self, asked: Asked) -> Answered:
        kind = asked.query["type"]
        if kind == "test":
            return xml(f"<ok>{'yes' if self.works(asked.query['key']) else 'no'}</ok>")
        if kind == "keygen":
            return xml("<key>sess</key>") if asked.query["password"] == ADMIN else Answered(403)
        if asked.query["key"] != "sess":
            return Answered(403)
        if kind == "delete":
            return self.end(asked.query["id"])
        if kind == "issue":
            made = self.issue(asked.query["name"])
            return xml(f'<token id="{made["id"]}">{made["value"]}</token>')
        entries = "".join(f'<entry name="{key["name"]}"><id>{key["id"]}</id></entry>' for key in self.held)
        return xml(f"<tokens>{entries}</tokens>")

    def calls(self) -> dict[str, Any]:
        url = f"{self.url}/api/?key={{{{session./response/result/key}}}}&type="
        login = f"{self.url}/api/?type=keygen&user={{{{admin.username}}}}&password={{{{admin.password}}}}"
        return {
            "session": {"method": "GET", "url": login},
            "list": {
                "url": f"{url}list",
                "items": "/response/result/tokens/entry",
                "name": "/@name",
                "values": {"id": "/id"},
            },
            "issue": {
                "url": f"{url}issue&name={{{{rotation}}}}",
                "values": {"value": "/response/result/token/#text", "id": "/response/result/token/@id"},
            },
            "test": {
                "url": f"{self.url}/api/?type=test&key={{{{login.value}}}}",
                "match": {"/response/result/ok": "yes"},
            },
            "revoke": {"url": f"{url}delete&id={{{{retired.id}}}}", "status": "204,404"},
        }


class Atlas(Keys):
    """Two secrets at most, without names, beside those of others; a client-credentials login; a limit on their life."""

    keys = ("client_secret", "secret_id")
    settings: ClassVar[Mapping[str, str]] = {"lifetime_days": "30"}
    admin: ClassVar[Any] = {"client_id": "org", "client_secret": ADMIN}

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/oauth/token":
            user, _, password = decoded(asked).partition(":")
            if asked.form["grant_type"] != "client_credentials" or (user, password) not in self._logins():
                return Answered(401)
            return Answered(200, {"access_token": f"for-{user}"})
        if asked.headers.get("Authorization") != "Bearer for-org":
            return Answered(401)
        if asked.method == "DELETE":
            return self.end(asked.path.rpartition("/")[2])
        if asked.method == "POST":
            if len(self.ours()) >= 2 or type(asked.json["expiresAt"]) is not int:
                return Answered(409)
            made = self.issue("")
            return Answered(201, {"id": made["id"], "secret": made["value"]})
        found = [{**shown(key, formatted), "user": key["name"][:5], "state": "ACTIVE"} for key in self.held]
        return Answered(200, {"secrets": [{**found[0], "user": "", "state": "GONE"}, *found]})

    def _logins(self) -> list[tuple[str, str]]:
        return [("org", ADMIN), *(("bot", key["value"]) for key in self.held)]

    def calls(self) -> dict[str, Any]:
        login = {"auth": "bearer", "token": "{{session./access_token}}"}
        token: dict[str, Any] = {"method": "POST", "url": f"{self.url}/oauth/token", "auth": "basic"}
        token |= {"form": {"grant_type": "client_credentials"}}
        url = f"{self.url}/api/atlas/v2/orgs/0/serviceAccounts/bot/secrets"
        return {
            "session": {**token, "username": "{{admin.client_id}}", "password": "{{admin.client_secret}}"},
            "list": {
                "url": url,
                **login,
                "items": "/secrets",
                "all": True,
                "where": {"/user": [None, "first"], "/state": ["ACTIVE", "NEW"]},
                "created": "/date_created",
                "values": {"secret_id": "/sid"},
            },
            "issue": {
                "url": url,
                **login,
                "body": {"expiresAt": "{{expires|epoch}}"},
                "values": {"client_secret": "/secret", "secret_id": "/id"},
            },
            "test": {**token, "username": "bot", "password": "{{login.client_secret}}"},
            "revoke": {"method": "DELETE", "url": f"{url}/{{{{retired.secret_id}}}}", **login, "status": "204,404"},
        }


class Plain(Keys):
    """The answer is the key and nothing else, which may look like a number; it is its own id."""

    keys = ("value",)

    def made(self, name: str, age: float = YEAR) -> dict[str, Any]:
        value = f"{secrets.randbelow(10**9):09}e{secrets.randbelow(10)}"
        return {**super().made(name, age), "id": value, "value": value}

    def answer(self, asked: Asked) -> Answered:
        if asked.path == "/ping":
            return Answered(200 if self.works(asked.query["key"]) else 403)
        if asked.headers.get("Authorization") != f"Token {ADMIN}":
            return Answered(401)
        if asked.method == "DELETE":
            return self.end(asked.path.rpartition("/")[2])
        return Answered(200, self.issue("")["value"] + "\n")

    def calls(self) -> dict[str, Any]:
        login = {"headers": {"Authorization": "Token {{admin}}"}}
        return {
            "issue": {"url": f"{self.url}/keys", **login, "values": {"value": ""}},
            "test": {"url": f"{self.url}/ping?key={{{{login}}}}"},
            "revoke": {"method": "DELETE", "url": f"{self.url}/keys/{{{{retired}}}}", **login, "status": "204,404"},
        }


def decoded(asked: Asked) -> str:
    return base64.b64decode(asked.headers.get("Authorization", "").removeprefix("Basic ")).decode()


def formatted(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))


def shown(key: Mapping[str, Any], write: Callable[[float], Any]) -> dict[str, Any]:
    return {"sid": key["id"], "friendly_name": key["name"], "date_created": write(key["created"])}


def xml(inner: str) -> Answered:
    text = f'<?xml version="1.0"?><response status="success"><result>{inner}</result></response>'
    return Answered(200, text, [("Content-Type", "application/xml; charset=UTF-8")])


SERVICES = (Datadog, Twilio, NewRelic, Appliance, Elastic, PanOs, Atlas, Plain)
