"""AWS's own rotation templates rotate twice in the sandbox. They are not in this repository: `make templates`.

AWS_TEMPLATES is a folder with a checkout of aws-samples/aws-secrets-manager-rotation-lambdas, TEMPLATE_DRIVERS one with
the drivers that they import. The databases demand no TLS, but the secrets do, and the templates verify the server's
certificate with /etc/pki/tls/cert.pem.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import mariadb, postgresql
from rotation_lab.services.base import Server, Service
from rotation_lab.zipping import zip_bytes
from tests.lab.conftest import LOGS, PASSWORDS, SECRETS, Function, Secret, _create, permit
from tests.lab.evidence import guide, only_here, verified

TEMPLATES, DRIVERS = (Path(os.environ.get(name, "")) for name in ("AWS_TEMPLATES", "TEMPLATE_DRIVERS"))
pytestmark = [
    verified(guide("reference_available-rotation-templates")),
    only_here("servers on this machine"),
    pytest.mark.skipif("AWS_TEMPLATES" not in os.environ, reason="run by `make templates TEMPLATES=folder`"),
]
_STARTS: dict[str, Any] = {"PostgreSQL": postgresql, "MySQL": mariadb}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with postgresql.start() as first, mariadb.start() as second:
        yield {"PostgreSQL": first, "MySQL": second}


@pytest.fixture(scope="module")
def trusting(servers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox whose functions trust the servers' authorities, and one attempt for each rotation."""
    trusted = tmp_path_factory.mktemp("trusted") / "ca.pem"
    trusted.write_text("".join(server.ca for server in servers.values()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(trusted))
        with Sandbox.start(attempts=1, log=trusted.with_name("log")) as started:
            yield started


def test_the_generic_template_with_set_and_test_as_pass(trusting: Sandbox) -> None:
    source = _source("SecretsManagerRotationTemplate")
    assert source.count("raise NotImplementedError") == 2
    done = source.replace("raise NotImplementedError", "pass")
    function = _function(trusting, "generic", {"lambda_function.py": done})
    secret = _secret(trusting, "generic", "initial")
    values = {secret.value(), *(_rotated(secret, function) for _ in range(2))}
    assert len(values) == 3


@pytest.mark.parametrize("engine", _STARTS)
def test_a_single_user_template(engine: str, servers: dict[str, Server], trusting: Sandbox) -> None:
    service = servers[engine].credential(f"{engine}1".lower())
    secret = _secret(trusting, f"{engine}1", _value(service, service.reset()))
    function = _function(trusting, f"{engine}-single", _files(f"SecretsManagerRDS{engine}RotationSingleUser"))
    for _ in range(2):
        before = secret.value()
        assert service.opens(_rotated(secret, function))
        assert not service.opens(before)
    assert "established SSL/TLS connection" in function.log()


@pytest.mark.parametrize("engine", _STARTS)
def test_a_multi_user_template(engine: str, servers: dict[str, Server], trusting: Sandbox) -> None:
    service, superuser = servers[engine].credential(f"{engine}2".lower()), _STARTS[engine]
    owner = {"username": superuser.SUPERUSER, "password": superuser.PASSWORD}
    master = _secret(trusting, f"{engine}-master", _value(service, owner))
    secret = _secret(trusting, f"{engine}2", _value(service, service.reset(), masterarn=master.arn))
    function = _function(trusting, f"{engine}-multi", _files(f"SecretsManagerRDS{engine}RotationMultiUser"))
    names = []
    for _ in range(2):
        before = secret.value()
        after = _rotated(secret, function)
        assert service.opens(after)
        names.append(json.loads(after)["username"])
        assert service.opens(before)  # that is what two users are for
    assert names == [f"{engine}2_clone".lower(), f"{engine}2".lower()]
    assert "established SSL/TLS connection" in function.log()


def _rotated(secret: Secret, function: Function) -> str:
    """The new current value."""
    assert secret.rotated(function)["result"] == "ok", function.log()
    return secret.value()


def _source(template: str) -> str:
    return (TEMPLATES / template / "lambda_function.py").read_text("utf-8")


def _files(template: str) -> dict[str, bytes | str]:
    """The function's files, with all drivers."""
    drivers = {
        str(path.relative_to(DRIVERS)): path.read_bytes()
        for path in DRIVERS.rglob("*")
        if path.is_file() and path.suffix in (".py", ".so")
    }
    return {**drivers, "lambda_function.py": _source(template)}


def _value(service: Service, values: Mapping[str, Any], **more: str) -> str:
    address = service.upstream
    assert address is not None
    return json.dumps({**service.known("localhost", address[1]), "ssl": True, **values, **more})


def _secret(aws: Sandbox, name: str, value: str) -> Secret:
    answer = aws.client("secretsmanager").create_secret(Name=name, SecretString=value)
    return Secret(aws, name, answer["ARN"])


def _function(aws: Sandbox, name: str, files: dict[str, Any]) -> Function:
    variables = {"SECRETS_MANAGER_ENDPOINT": aws.endpoint}
    arn = _create(aws, name, files, variables, {"Code": {"ZipFile": zip_bytes(files)}})
    function = Function(aws, name, arn, name)
    function.allow(SECRETS, PASSWORDS, LOGS)
    permit(function)
    return function
