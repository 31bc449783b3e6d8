"""What recipes are proved against: real servers, and the sandbox where a login there means something.

Each is started for one recipe, with a credential that works. ``opens`` logs in without the code of the function.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import postgresql, process, rabbitmq, redis_server
from tests.recipes import java_servers
from tests.recipes.running import ADMIN, PASSWORD, Document, Running, ask, serve, version
from tests.recipes.standins import Operations, Passwords, client
from tests.terraform.plans import ROOT

PROGRAMS = ROOT / ".cache/recipes/bin"
"""Of a virtual environment of its own, which `make recipes` makes."""


@contextlib.contextmanager
def _rabbitmq() -> Iterator[Running]:
    with rabbitmq.start(tls=False) as server:
        server.put_user("app", PASSWORD, "management")
        yield Running(
            f"RabbitMQ {rabbitmq.version()}",
            {"username": "app", "password": PASSWORD},
            lambda found: server.accepts(found["username"], found["password"]),
            admin=json.dumps({"username": server.admin, "password": server.admin_password}),
            written={"https://mq.example.com": server.url},
        )


@contextlib.contextmanager
def _etcd() -> Iterator[Running]:
    client, peer = process.free_ports(2)
    url = f"http://127.0.0.1:{client}"
    with TemporaryDirectory(prefix="etcd-") as folder:
        command = ["etcd", "--data-dir", f"{folder}/data", "--listen-client-urls", url, "--advertise-client-urls", url]
        command += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
        with serve("etcd", command, Path(folder), f"{url}/version"):
            for name, password in (("root", ADMIN), ("app", PASSWORD)):
                assert ask("POST", f"{url}/v3/auth/user/add", {"name": name, "password": password})[0] == 200
            assert ask("POST", f"{url}/v3/auth/role/add", {"name": "root"})[0] == 200
            assert ask("POST", f"{url}/v3/auth/user/grant", {"user": "root", "role": "root"})[0] == 200
            assert ask("POST", f"{url}/v3/auth/enable", {})[0] == 200

            def opens(found: Document) -> bool:
                login = {"name": found["username"], "password": found["password"]}
                return ask("POST", f"{url}/v3/auth/authenticate", login)[0] == 200

            yield Running(
                f"etcd {version(['etcd', '--version'], 2)}",
                {"username": "app", "password": PASSWORD},
                opens,
                admin=json.dumps({"username": "root", "password": ADMIN}),
                written={"https://etcd.example.com:2379": url},
            )


@contextlib.contextmanager
def _influxdb() -> Iterator[Running]:
    http, rpc = process.free_ports(2)
    url = f"http://127.0.0.1:{http}"
    with TemporaryDirectory(prefix="influxdb-") as name:
        folder = Path(name)
        (folder / "influxdb.conf").write_text(
            f'bind-address = "127.0.0.1:{rpc}"\nreporting-disabled = true\n'
            f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{http}"\nauth-enabled = true\n'
        )
        command = ["influxd", "-config", str(folder / "influxdb.conf")]
        with serve("InfluxDB", command, folder, f"{url}/ping"):

            def query(text: str, basic: str = "") -> int:
                return ask("POST", f"{url}/query?q={quote(text)}", basic=basic)[0]

            assert query(f"CREATE USER admin WITH PASSWORD '{ADMIN}' WITH ALL PRIVILEGES") == 200
            assert query(f"CREATE USER app WITH PASSWORD '{PASSWORD}'", f"admin:{ADMIN}") == 200
            yield Running(
                f"InfluxDB {version(['influxd', 'version'], 1)}",
                {"username": "app", "password": PASSWORD},
                lambda found: query("SHOW DATABASES", f"{found['username']}:{found['password']}") == 200,
                admin=json.dumps({"username": "admin", "password": ADMIN}),
                written={"https://influx.example.com:8086": url},
            )


# A Hub needs a proxy in front of users' servers, of which there are none here.
_HUB = """
from jupyterhub.proxy import Proxy
class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_port = {port}
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.services = [{{"name": "rotation", "api_token": "{admin}"}}]
c.JupyterHub.load_roles = [
    {{"name": "rotation", "scopes": ["tokens!user=bot"], "services": ["rotation"]}},
    {{"name": "setup", "scopes": ["admin:users", "tokens"], "services": ["setup"]}},
]
c.JupyterHub.services.append({{"name": "setup", "api_token": "{setup}"}})
"""


@contextlib.contextmanager
def _jupyterhub() -> Iterator[Running]:
    port, public = process.free_ports(2)
    setup, url = "setup-Hq82mZ1xPw6t", f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="jupyterhub-") as name:
        folder = Path(name)
        (folder / "config.py").write_text(_HUB.format(port=port, public=public, admin=ADMIN, setup=setup))
        command = [str(PROGRAMS / "jupyterhub"), "--config", str(folder / "config.py")]
        environment = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": name}
        with serve("JupyterHub", command, folder, f"{url}/hub/api/", environment=environment):
            assert ask("POST", f"{url}/hub/api/users/bot", Authorization=f"token {setup}")[0] == 201
            tokens = f"{url}/hub/api/users/bot/tokens"
            status, first = ask("POST", tokens, {"note": "first"}, Authorization=f"token {setup}")
            assert status == 201
            yield Running(
                f"JupyterHub {version([str(PROGRAMS / 'jupyterhub'), '--version'], 0)}",
                {"token": first["token"], "id": first["id"]},
                lambda found: ask("GET", f"{url}/hub/api/user", Authorization=f"token {found['token']}")[0] == 200,
                admin=ADMIN,
                written={"https://hub.example.com": url},
                count=lambda: len(ask("GET", tokens, Authorization=f"token {setup}")[1]["api_tokens"]),
            )


@contextlib.contextmanager
def _devpi() -> Iterator[Running]:
    (port,) = process.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="devpi-") as name:
        folder = Path(name)
        (folder / "secret").write_text(secrets.token_hex(32))
        (folder / "secret").chmod(0o600)
        run([str(PROGRAMS / "devpi-init"), "--serverdir", f"{name}/data", "--root-passwd", ADMIN], check=True)
        command = [str(PROGRAMS / "devpi-server"), "--serverdir", f"{name}/data", "--port", str(port)]
        command += ["--secretfile", f"{name}/secret", "--argon2-memory-cost", "8192", "--argon2-time-cost", "1"]
        with serve("devpi", command, folder, f"{url}/+api"):

            def opens(found: Document) -> bool:
                login = {"user": found["username"], "password": found["password"]}
                return ask("POST", f"{url}/+login", login)[0] == 200

            token = ask("POST", f"{url}/+login", {"user": "root", "password": ADMIN})[1]["result"]["password"]
            created = ask("PUT", f"{url}/app", {"password": PASSWORD, "email": "a@b.c"}, basic=f"root:{token}")
            assert created[0] == 201
            yield Running(
                f"devpi {version([str(PROGRAMS / 'devpi-server'), '--version'], 0)}",
                {"username": "app", "password": PASSWORD},
                opens,
                admin=json.dumps({"username": "root", "password": ADMIN}),
                written={"https://devpi.example.com": url},
            )


_KINTO = """[app:main]
use = egg:kinto
kinto.includes = kinto.plugins.accounts
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.account_create_principals = system.Everyone
multiauth.policies = account
multiauth.policy.account.use = kinto.plugins.accounts.authentication.AccountsAuthenticationPolicy
[server:main]
use = egg:waitress
host = 127.0.0.1
port = {port}
"""


@contextlib.contextmanager
def _kinto() -> Iterator[Running]:
    (port,) = process.free_ports(1)
    url = f"http://127.0.0.1:{port}/v1"
    with TemporaryDirectory(prefix="kinto-") as name:
        folder = Path(name)
        (folder / "kinto.ini").write_text(_KINTO.format(port=port))
        command = [str(PROGRAMS / "kinto"), "start", "--ini", str(folder / "kinto.ini"), "--port", str(port)]
        with serve("Kinto", command, folder, f"{url}/"):
            assert ask("PUT", f"{url}/accounts/app", {"data": {"password": PASSWORD}})[0] == 201

            def opens(found: Document) -> bool:
                basic = f"{found['username']}:{found['password']}"
                return "user" in ask("GET", f"{url}/", basic=basic)[1]

            yield Running(
                f"Kinto {version([str(PROGRAMS / 'kinto'), 'version'], 0)}",
                {"username": "app", "password": PASSWORD},
                opens,
                written={"https://kinto.example.com/v1": url},
            )


@contextlib.contextmanager
def _pocketbase() -> Iterator[Running]:
    (port,) = process.free_ports(1)
    url, program = f"http://127.0.0.1:{port}/api/collections", str(PROGRAMS / "pocketbase")
    with TemporaryDirectory(prefix="pocketbase-") as name:
        data = ["--dir", f"{name}/data"]
        run([program, "superuser", "upsert", "root@example.com", ADMIN, *data], check=True, capture_output=True)
        command = [program, "serve", "--http", f"127.0.0.1:{port}", *data]
        with serve("PocketBase", command, Path(name), f"http://127.0.0.1:{port}/api/health"):

            def login(collection: str, identity: str, password: str) -> tuple[int, Any]:
                sent = {"identity": identity, "password": password}
                return ask("POST", f"{url}/{collection}/auth-with-password", sent)

            token = login("_superusers", "root@example.com", ADMIN)[1]["token"]
            user = {"email": "app@example.com", "password": PASSWORD, "passwordConfirm": PASSWORD}
            status, made = ask("POST", f"{url}/users/records", user, Authorization=token)
            assert status == 200
            yield Running(
                "PocketBase 0.36.0",
                {"id": made["id"], "username": "app@example.com", "password": PASSWORD},
                lambda found: login("users", found["username"], found["password"])[0] == 200,
                admin=json.dumps({"username": "root@example.com", "password": ADMIN}),
                written={"https://pb.example.com/api/collections": url},
            )


@contextlib.contextmanager
def _miniflux() -> Iterator[Running]:
    (port,) = process.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with postgresql.start() as server, TemporaryDirectory(prefix="miniflux-") as name:
        admin = {"CREATE_ADMIN": "1", "ADMIN_USERNAME": "app", "ADMIN_PASSWORD": PASSWORD, "RUN_MIGRATIONS": "1"}
        login = f"{postgresql.SUPERUSER}:{postgresql.PASSWORD}"
        database = f"postgres://{login}@127.0.0.1:{server.port}/postgres?sslmode=disable"
        environment = {**admin, "DATABASE_URL": database, "LISTEN_ADDR": f"127.0.0.1:{port}"}
        command = [str(PROGRAMS / "miniflux")]
        with serve("Miniflux", command, Path(name), f"{url}/healthcheck", environment=environment):
            basic = f"app:{PASSWORD}"
            status, first = ask("POST", f"{url}/v1/api-keys", {"description": "first"}, basic=basic)
            assert status == 201
            yield Running(
                "Miniflux 2.2.10",
                {"token": first["token"], "id": str(first["id"])},
                lambda found: ask("GET", f"{url}/v1/me", **{"X-Auth-Token": found["token"]})[0] == 200,
                written={"https://miniflux.example.com": url},
                count=lambda: len(ask("GET", f"{url}/v1/api-keys", basic=basic)[1]),
            )


_SYNAPSE = """
server_name: example.org
pid_file: {folder}/pid
signing_key_path: {folder}/signing.key
media_store_path: {folder}/media
registration_shared_secret: {secret}
macaroon_secret_key: {secret}
report_stats: false
trusted_key_servers: []
database: {{name: sqlite3, args: {{database: {folder}/synapse.db}}}}
listeners: [{{port: {port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}]
rc_login:
  address: {{per_second: 99, burst_count: 99}}
  account: {{per_second: 99, burst_count: 99}}
  failed_attempts: {{per_second: 99, burst_count: 99}}
"""


@contextlib.contextmanager
def _synapse() -> Iterator[Running]:
    (port,) = process.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory(prefix="synapse-") as name:
        file = Path(name, "homeserver.yaml")
        file.write_text(_SYNAPSE.format(folder=name, port=port, secret=ADMIN))
        command = [str(PROGRAMS / "python"), "-m", "synapse.app.homeserver", "-c", str(file)]
        run([*command, "--generate-keys"], check=True, capture_output=True, cwd=name)
        with serve("Synapse", command, Path(name), f"{url}/health"):
            user = ["-u", "app", "-p", PASSWORD, "--no-admin", "-c", str(file), url]
            run([str(PROGRAMS / "register_new_matrix_user"), *user], check=True, capture_output=True)

            def opens(found: Document) -> bool:
                who = {"type": "m.id.user", "user": found["username"]}
                login = {"type": "m.login.password", "identifier": who, "password": found["password"]}
                return ask("POST", f"{url}/_matrix/client/v3/login", login)[0] == 200

            yield Running(
                "Synapse 1.120.0",
                {"username": "app", "password": PASSWORD},
                opens,
                written={"https://matrix.example.com": url},
            )


# The sandbox, where it checks what is sent to it.


@contextlib.contextmanager
def _api_gateway() -> Iterator[Running]:
    with Sandbox.start() as aws:
        gateway = aws.client("apigateway")
        api = gateway.create_rest_api(name="app")["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        at = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
        gateway.put_method(**at, authorizationType="NONE", apiKeyRequired=True)
        gateway.put_method_response(**at, statusCode="200")
        gateway.put_integration(**at, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
        gateway.put_integration_response(**at, statusCode="200")
        gateway.create_deployment(restApiId=api, stageName="prod")
        stages = [{"apiId": api, "stage": "prod"}]
        plan = gateway.create_usage_plan(name="app", apiStages=stages)["id"]
        first = gateway.create_api_key(name="first", enabled=True)
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=first["id"], keyType="API_KEY")
        url = f"{aws.endpoint}/restapis/{api}/prod/_user_request_/"
        yield Running(
            "the sandbox's API Gateway",
            {"api_key": first["value"], "id": first["id"]},
            lambda found: ask("GET", url, **{"x-api-key": found["api_key"]})[0] == 200,
            written={
                "https://a0.execute-api.eu-central-1.amazonaws.com/prod/health": url,
                "up0": plan,
            },
            clients={"apigateway": gateway},
            count=lambda: len(gateway.get_api_keys()["items"]),
        )


@contextlib.contextmanager
def _ses() -> Iterator[Running]:
    with Sandbox.start() as aws:
        iam = aws.client("iam")
        arn = iam.create_user(UserName="smtp")["User"]["Arn"]
        first = iam.create_access_key(UserName="smtp")["AccessKey"]

        def opens(found: Document) -> bool:
            key = {"aws_access_key_id": found["access_key_id"], "aws_secret_access_key": found["secret_access_key"]}
            try:
                aws.client("sts", **key).get_caller_identity()
            except ClientError:
                return False
            return True

        yield Running(
            "the sandbox's IAM and STS, without SES",
            {
                "access_key_id": first["AccessKeyId"],
                "secret_access_key": first["SecretAccessKey"],
                "smtp_password": "to-be-made",
            },
            opens,
            written={"arn:aws:iam::123456789012:user/smtp": arn},
            clients={"iam": iam, "sts": lambda **key: aws.client("sts", **key)},
            pause=40.0,
            count=lambda: len(iam.list_access_keys(UserName="smtp")["AccessKeyMetadata"]),
        )


@contextlib.contextmanager
def _ssm() -> Iterator[Running]:
    with Sandbox.start() as aws:
        ssm = aws.client("ssm")
        ssm.put_parameter(Name="/app/password", Value=PASSWORD, Type="SecureString")

        def opens(found: Document) -> bool:
            parameter = ssm.get_parameter(Name="/app/password", WithDecryption=True)["Parameter"]
            return bool(parameter["Value"] == found["password"])

        yield Running("the sandbox's Systems Manager", {"password": PASSWORD}, opens, clients={"ssm": ssm})


@contextlib.contextmanager
def _cognito() -> Iterator[Running]:
    with Sandbox.start() as aws:
        cognito = aws.client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="app")["UserPool"]["Id"]
        flows = ["ALLOW_USER_PASSWORD_AUTH"]
        client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app", ExplicitAuthFlows=flows)
        client_id = client["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool, Username="app")
        cognito.admin_set_user_password(UserPoolId=pool, Username="app", Password=PASSWORD + "A!", Permanent=True)

        def opens(found: Document) -> bool:
            login = {"USERNAME": found["username"], "PASSWORD": found["password"]}
            try:
                cognito.initiate_auth(ClientId=client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=login)
            except cognito.exceptions.NotAuthorizedException:
                return False
            return True

        yield Running(
            "the sandbox's Cognito",
            {"username": "app", "password": PASSWORD + "A!"},
            opens,
            written={"eu-central-1_Pool00000": pool, '"c0"': f'"{client_id}"'},
            clients={"cognito-idp": cognito},
        )


# Stand-ins for AWS services over real servers.


@contextlib.contextmanager
def _redis(
    name: str, secret: Document, service: str, page_host: str, make: Callable[[Passwords], Operations]
) -> Iterator[Running]:
    """``name``: the Redis user."""
    with redis_server.start(tls=False) as server:

        def accept(passwords: list[str]) -> None:
            server.run("ACL", "SETUSER", name, "reset", "on", "~*", "+@all", *(f">{one}" for one in passwords))

        users = Passwords(accept, PASSWORD)
        here = f'"host": "localhost", "port": "{server.port}", "tls": "disable"'
        yield Running(
            f"Redis {redis_server.version()}, with a stand-in for {service}",
            secret,
            lambda found: server.accepts(name, found.get("password") or found["token"]),
            written={f'"host": "{page_host}"': here},
            clients={service: client(service, make(users))},
        )


def _elasticache_user() -> AbstractContextManager[Running]:
    def make(users: Passwords) -> Operations:
        def modify(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            users.set(*asked["Passwords"])
            return {"UserId": asked["UserId"], "Status": "modifying"}

        return {"ModifyUser": modify, "DescribeUsers": lambda _: {"Users": [{"Status": users.status("active")}]}}

    return _redis("app", {"password": PASSWORD}, "elasticache", "c0.cache.amazonaws.com", make)


def _memorydb_user() -> AbstractContextManager[Running]:
    def make(users: Passwords) -> Operations:
        def update(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            users.set(*asked["AuthenticationMode"]["Passwords"])
            return {"User": {"Name": asked["UserName"], "Status": "modifying"}}

        return {"UpdateUser": update, "DescribeUsers": lambda _: {"Users": [{"Status": users.status("active")}]}}

    return _redis("app", {"password": PASSWORD}, "memorydb", "c0.memorydb.amazonaws.com", make)


def _elasticache_token() -> AbstractContextManager[Running]:
    def make(users: Passwords) -> Operations:
        def modify(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            rotates = asked["AuthTokenUpdateStrategy"] == "ROTATE"
            users.set(*([users.accepted[-1]] if rotates else []), asked["AuthToken"])
            return {"ReplicationGroup": {"Status": "modifying"}}

        def describe(_: Mapping[str, Any]) -> Mapping[str, Any]:
            status = users.status("available")
            pending = {} if status == "available" else {"AuthTokenStatus": "ROTATING"}
            return {"ReplicationGroups": [{"Status": status, "PendingModifiedValues": pending}]}

        return {"ModifyReplicationGroup": modify, "DescribeReplicationGroups": describe}

    return _redis("default", {"token": PASSWORD}, "elasticache", "master.app.cache.amazonaws.com", make)


@contextlib.contextmanager
def _postgresql(service: str, operation: str, written: str) -> Iterator[Running]:
    """The change is applied in the background, and nothing says when."""
    with postgresql.start() as server:
        role = server.credential()
        users = Passwords(lambda passwords: role.set_password(role.name, passwords[0]), PASSWORD)

        def modify(asked: Mapping[str, Any]) -> Mapping[str, Any]:
            users.set(asked["MasterUserPassword"])
            return {}

        here = f'"host": "localhost", "port": "{server.port}", "tls_ca": {json.dumps(server.ca)}'
        yield Running(
            f"PostgreSQL {postgresql.version()}, with a stand-in for {service}",
            {"username": role.name, "dbname": "postgres", "password": PASSWORD},
            lambda found: server.accepts(found["username"], found["password"]),
            written={written: here},
            clients={service: client(service, {operation: modify})},
            waited=users.wait,
        )


PROOFS: Mapping[str, Callable[[], AbstractContextManager[Running]]] = {
    "api-gateway-key": _api_gateway,
    "cognito-user": _cognito,
    "devpi": _devpi,
    "elasticache-token": _elasticache_token,
    "elasticache-user": _elasticache_user,
    "etcd": _etcd,
    "influxdb-1": _influxdb,
    "jupyterhub": _jupyterhub,
    "keycloak": java_servers.keycloak,
    "kinto": _kinto,
    "memorydb-user": _memorydb_user,
    "miniflux": _miniflux,
    "opensearch-master": java_servers.opensearch_master,
    "opensearch-user": java_servers.opensearch_user,
    "pocketbase": _pocketbase,
    "rabbitmq": _rabbitmq,
    "rds-master": lambda: _postgresql("rds", "ModifyDBInstance", '"host": "app.c0.eu-central-1.rds.amazonaws.com"'),
    "redshift-admin": lambda: _postgresql(
        "redshift", "ModifyCluster", '"host": "app.c0.eu-central-1.redshift.amazonaws.com", "port": "5439"'
    ),
    "ses-smtp": _ses,
    "ssm-parameter": _ssm,
    "synapse": _synapse,
}
"""Name of a page → what it is run against."""
