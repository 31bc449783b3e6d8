"""What examples find in the account: a secret, a rotation, a role or a zip that somebody else made."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rotation_lab.sandbox.client import Sandbox
from rotation_lab.services import network, stored
from tools.dev.package import function_bytes

Variables = dict[str, object]
_ANYTHING = {"Effect": "Allow", "Action": ["secretsmanager:*", "logs:*"], "Resource": "*"}
_LAMBDA = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}


@contextlib.contextmanager
def _existing_secret(aws: Sandbox) -> Iterator[Variables]:
    with stored.secret(aws, "app/existing", {"username": "app", "password": "made elsewhere"}):
        yield {}


@contextlib.contextmanager
def _endpoint(aws: Sandbox) -> Iterator[Variables]:
    yield {"endpoint_url": aws.endpoint}


@contextlib.contextmanager
def _zip(aws: Sandbox) -> Iterator[Variables]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "secret-rotation.zip"
        path.write_bytes(function_bytes())
        yield {"package": str(path)}


@contextlib.contextmanager
def _role(aws: Sandbox, name: str = "secret-rotation") -> Iterator[Variables]:
    iam = aws.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(_LAMBDA))
    iam.put_role_policy(RoleName=name, PolicyName="rotation", PolicyDocument=_policy(_ANYTHING))
    yield {}
    iam.delete_role_policy(RoleName=name, PolicyName="rotation")
    iam.delete_role(RoleName=name)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextlib.contextmanager
def _rotation(aws: Sandbox) -> Iterator[Variables]:
    """A secret that a function of somebody else rotates."""
    manager, functions = aws.client("secretsmanager"), aws.client("lambda")
    with _role(aws, "other-function"):
        made = functions.create_function(
            FunctionName="other-function",
            Runtime="python3.13",
            Role=aws.client("iam").get_role(RoleName="other-function")["Role"]["Arn"],
            Handler="lambda_function.lambda_handler",
            Code={"ZipFile": function_bytes()},
        )
        functions.add_permission(
            FunctionName="other-function",
            StatementId="SecretsManager",
            Action="lambda:InvokeFunction",
            Principal="secretsmanager.amazonaws.com",
        )
        manager.create_secret(Name="app/rotated")
        manager.rotate_secret(
            SecretId="app/rotated",
            RotationLambdaARN=made["FunctionArn"],
            RotationRules={"AutomaticallyAfterDays": 90},
        )
        aws.settle("app/rotated")
        yield {}
        manager.delete_secret(SecretId="app/rotated", ForceDeleteWithoutRecovery=True)
        functions.delete_function(FunctionName="other-function")


@contextlib.contextmanager
def _service(aws: Sandbox) -> Iterator[Variables]:
    """An ECS service without tasks."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="cluster")
    container = {"name": "app", "image": "app", "memory": 128}
    ecs.register_task_definition(family="app", containerDefinitions=[container])
    ecs.create_service(cluster="cluster", serviceName="service", taskDefinition="app", desiredCount=0)
    yield {"cluster": "cluster", "service": "service"}


@contextlib.contextmanager
def _consumer(aws: Sandbox) -> Iterator[Variables]:
    """What reads the secret when it starts, with a hook that restarts it. Raises if nothing new was ever read."""
    read, name = list[str](), "rotation-on-success-function"

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            read.append(aws.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"restart_url": f"http://127.0.0.1:{server.server_port}/restart"}
        server.shutdown()
    if len(set(read)) < 2:
        raise RuntimeError(f"the consumer was restarted {len(read)} times, and read {len(set(read))} values")


@contextlib.contextmanager
def _fleet(aws: Sandbox) -> Iterator[Variables]:
    client, names = aws.client("secretsmanager"), [f"fleet/{number}" for number in range(3)]
    for name in names:
        client.create_secret(Name=name, SecretString="first")
    yield {}
    for name in names:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


PREPARED: Mapping[str, Callable[[Sandbox], AbstractContextManager[Variables]]] = {
    "complete": network.start,
    "custom-endpoint": _endpoint,
    "existing-role": _role,
    "existing-secret": _existing_secret,
    "fleet": _fleet,
    "import-rotation": _rotation,
    "on-success": _service,
    "on-success-function": _consumer,
    "prebuilt-package": _zip,
}
"""Folder of ``examples/`` → what is there before it is applied; the variables that name it."""
NOT_APPLIED = {"cross-account": "the local AWS has one account"}
"""Folder of ``examples/`` → why it is validated and not applied."""
FORGOTTEN = {"vpc": {"aws_vpc_endpoint.secrets_manager"}}
"""Folder of ``examples/`` → resources of which the local AWS forgets something, so that the next plan changes them."""
