"""Servers in Java, which come from Maven: `make recipes` puts them into .cache (tools/dev/maven.py)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rotation_lab.services import authority, process
from tests.recipes.running import ADMIN, PASSWORD, Document, Running, ask, post_form, serve
from tests.recipes.standins import Passwords, client
from tests.terraform.plans import ROOT

CACHE = ROOT / ".cache"
START_SECONDS = 600
"""On a busy machine: half a minute of CPU time."""
QUICK = "-XX:TieredStopAtLevel=1"
"""An option for Java: a server that runs for a minute is not worth compiling well."""


def _copied(name: str, folder: Path) -> Path:
    """A server that may write where it is."""
    (source,) = (CACHE / name).iterdir()
    return Path(shutil.copytree(source, folder / name, symlinks=True))


def _java_home() -> str:
    return str(Path(str(shutil.which("java"))).resolve().parents[1])


@contextlib.contextmanager
def keycloak() -> Iterator[Running]:
    """A realm with a client, and a client of the realm master that may manage it."""
    (port,) = process.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="keycloak-") as name:
        home = _copied("keycloak", Path(name))
        command = ["bash", str(home / "bin/kc.sh"), "start-dev", f"--http-port={port}", "--http-host=127.0.0.1"]
        login = {"KC_BOOTSTRAP_ADMIN_USERNAME": "root", "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN}
        options = {"KC_DB": "dev-mem", "KC_CACHE": "local", "JAVA_OPTS_APPEND": QUICK, "KC_HTTP_MANAGEMENT_PORT": "0"}
        environment = {**os.environ, **login, **options}
        ready = f"{url}/realms/master"
        with serve("Keycloak", command, home, ready, seconds=START_SECONDS, environment=environment):
            admin = _Keycloak(url)
            client_id = admin.make_client("app", "app", PASSWORD)
            admin.let_manage_clients(admin.make_client("master", "rotation", ADMIN))

            def opens(found: Document) -> bool:
                login = {"client_id": found["client_id"], "client_secret": found["client_secret"]}
                token = f"{url}/realms/app/protocol/openid-connect/token"
                return post_form(token, grant_type="client_credentials", **login)[0] == 200

            yield Running(
                "Keycloak 26.5.6",
                {"client_id": "app", "client_secret": PASSWORD},
                opens,
                admin=json.dumps({"client_id": "rotation", "client_secret": ADMIN}),
                written={"https://sso.example.com": url, "UUID": client_id},
            )


class _Keycloak:
    """Its admin API, as the first administrator."""

    def __init__(self, url: str) -> None:
        login = {"grant_type": "password", "client_id": "admin-cli", "username": "root", "password": ADMIN}
        status, answer = post_form(f"{url}/realms/master/protocol/openid-connect/token", **login)
        assert status == 200, answer
        self._url, self._token = f"{url}/admin/realms", f"Bearer {answer['access_token']}"
        self._send("POST", "", {"realm": "app", "enabled": True})

    def make_client(self, realm: str, name: str, secret: str) -> str:
        """Make a client that logs in with its secret; its internal ID."""
        asked = {"clientId": name, "secret": secret, "serviceAccountsEnabled": True, "standardFlowEnabled": False}
        self._send("POST", f"/{realm}/clients", asked)
        return self._client(realm, name)

    def let_manage_clients(self, client: str) -> None:
        """Let a client of the realm master manage the clients of the realm app, and nothing else."""
        user = self._send("GET", f"/master/clients/{client}/service-account-user")["id"]
        realm = self._client("master", "app-realm")
        role = self._send("GET", f"/master/clients/{realm}/roles/manage-clients")
        self._send("POST", f"/master/users/{user}/role-mappings/clients/{realm}", [role])

    def _client(self, realm: str, name: str) -> str:
        (found,) = self._send("GET", f"/{realm}/clients?clientId={name}")
        return str(found["id"])

    def _send(self, method: str, path: str, body: object = None) -> Any:
        status, answer = ask(method, self._url + path, body, Authorization=self._token)
        assert status < 300, (path, status, answer)
        return answer


_OPENSEARCH = """
discovery.type: single-node
http.port: {http}
transport.port: {transport}
network.host: 127.0.0.1
plugins.security.ssl.transport.pemcert_filepath: server.pem
plugins.security.ssl.transport.pemkey_filepath: server.key
plugins.security.ssl.transport.pemtrustedcas_filepath: ca.pem
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.allow_default_init_securityindex: true
plugins.security.restapi.roles_enabled: [all_access]
plugins.security.authcz.admin_dn: ["CN=nobody"]
"""


@contextlib.contextmanager
def _opensearch() -> Iterator[str]:
    """Its URL. The plugin's own users are there: admin, with the password admin."""
    http, transport = process.free_ports(2)
    url = f"http://127.0.0.1:{http}"
    with TemporaryDirectory(prefix="opensearch-") as name:
        home = _copied("opensearch", Path(name))
        plugin = Path(shutil.copytree(CACHE / "opensearch-security", home / "plugins/opensearch-security"))
        (plugin / "config").rename(home / "config/opensearch-security")
        authority.make(home / "config")
        (home / "config/opensearch.yml").write_text(_OPENSEARCH.format(http=http, transport=transport))
        user = _owned_by_nobody(Path(name)) if os.geteuid() == 0 else None  # it refuses to run as root
        java = {"OPENSEARCH_JAVA_HOME": _java_home(), "OPENSEARCH_JAVA_OPTS": f"-Xms384m -Xmx384m {QUICK}"}
        environment = {**os.environ, **java, "HOME": name}
        command = ["bash", str(home / "bin/opensearch")]
        ready = f"{url}/_plugins/_security/health"
        with serve("OpenSearch", command, home, ready, seconds=START_SECONDS, environment=environment, user=user):
            yield url


def _owned_by_nobody(folder: Path) -> str:
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "nobody")
    return "nobody"


def _make_user(url: str, name: str) -> None:
    body = {"password": PASSWORD, "opendistro_security_roles": ["all_access"]}
    status, answer = ask("PUT", f"{url}/_plugins/_security/api/internalusers/{name}", body, basic="admin:admin")
    assert status in (200, 201), answer


def _opens(url: str, found: Document) -> bool:
    basic = f"{found['username']}:{found['password']}"
    return ask("GET", f"{url}/_plugins/_security/authinfo", basic=basic)[0] == 200


@contextlib.contextmanager
def opensearch_user() -> Iterator[Running]:
    """An internal user that changes its own password."""
    with _opensearch() as url:
        _make_user(url, "app")
        yield Running(
            "OpenSearch 2.19.1 with its security plugin",
            {"username": "app", "password": PASSWORD},
            lambda found: _opens(url, found),
            written={"https://opensearch.example.com:9200": url},
        )


@contextlib.contextmanager
def opensearch_master() -> Iterator[Running]:
    """A domain of Amazon OpenSearch Service: its API sets the password in the background."""
    with _opensearch() as url:

        def accept(passwords: list[str]) -> None:
            change = [{"op": "add", "path": "/password", "value": passwords[0]}]
            path = f"{url}/_plugins/_security/api/internalusers/master"
            assert ask("PATCH", path, change, basic="admin:admin")[0] == 200

        _make_user(url, "master")
        users = Passwords(accept, PASSWORD)

        def update(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            users.set(asked["AdvancedSecurityOptions"]["MasterUserOptions"]["MasterUserPassword"])
            return {"DomainConfig": {}}

        yield Running(
            "OpenSearch 2.19.1, with a stand-in for the service's API",
            {"username": "master", "password": PASSWORD},
            lambda found: _opens(url, found),
            written={"https://search-app.eu-central-1.es.amazonaws.com": url},
            clients={"opensearch": client("opensearch", {"UpdateDomainConfig": update})},
            waited=users.wait,
        )
