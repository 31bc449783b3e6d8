"""Starts a sandbox and talks to it.

    with Sandbox.start() as aws:
        aws.client("secretsmanager").rotate_secret(SecretId="app")
        assert aws.settle("app")["result"] == "ok"

Needs boto3, nothing of ministack.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config

from rotation_lab.sandbox.environment import REGION

_START_SECONDS, _STOP_SECONDS, _CALL_SECONDS = 120.0, 30.0, 120
_POLL_SECONDS = 0.05
_LOG_TAIL = 40  # lines


class SandboxError(Exception):
    """The sandbox did not start, or refused something; the text has the end of its log or its own words."""


def variables(port: int) -> dict[str, str]:
    """The environment variables that lead Terraform, the AWS CLI and boto3 to the sandbox, as its root user."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


class Sandbox:
    """A running sandbox. Leave the ``with`` block, or call ``stop``, to end it with all that it has started."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
        self._process = process
        self.log_path = log_path
        self.endpoint = f"http://127.0.0.1:{port}"
        # The caller's own profile, session and region must not get in the way.
        devices = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        self.environment = {**variables(port), **devices, "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true"}
        self._clients: dict[str, Any] = {}
        self._folder: Path | None = None
        """Of a log that nobody has asked for."""

    @classmethod
    def start(
        cls,
        port: int = 0,
        attempts: int = 3,
        backoff: float = 0.2,
        log: Path | None = None,
        *,
        rates: float | None = None,
        idle: float = 300,
    ) -> Self:
        """Starts a process and waits until it serves.

        ``port`` 0 is a free one. A failing rotation has ``attempts``; ``backoff`` seconds before the second, twice
        that before the third. With ``rates``, Secrets Manager throttles at this part of AWS's quotas.
        A function's environment ends after so many ``idle`` seconds. Without ``log``, the log is gone with the sandbox.
        Raises ``SandboxError`` with the end of the log.
        """
        path = log or Path(tempfile.mkdtemp(prefix="sandbox-log-")) / "sandbox.log"
        options = {"port": port, "attempts": attempts, "backoff": backoff, "log": path, "idle": idle}
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "rotation_lab.sandbox", "--ready-descriptor", str(writer)]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        command += ["--rates", str(rates)] if rates else []
        with path.open("ab") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # its end tells the sandbox that we are gone, however that came
                stdout=file,
                stderr=file,
                pass_fds=[writer],
                start_new_session=True,  # Ctrl-C is ours to handle; the sandbox is needed to clean up
            )
        os.close(writer)
        started = cls(process, _port(reader, process, path), path)
        started._folder = None if log else path.parent
        return started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """Ends it and waits; may be called again."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        _end(self._process)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client with root's credentials and short retries; ``options`` go to ``boto3.client``.

        Without options it is the same one each time.
        """
        if options:
            return self._new_client(service, **options)
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str, **options: Any) -> Any:
        config = Config(retries={"total_max_attempts": 2, "mode": "standard"}, read_timeout=_CALL_SECONDS)
        defaults = {
            "endpoint_url": self.endpoint,
            "region_name": self.environment["AWS_REGION"],
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
            "config": config,
        }
        return boto3.session.Session().client(service, **{**defaults, **options})  # type: ignore[call-overload]

    def state(self, secret: str) -> dict[str, Any]:
        """One secret, by name or ARN.

        ``rotating``; ``result`` of the last rotation ("ok", "cancelled", "abandoned", "<step>: <error>", or None);
        ``log``, a list of {token, attempt, step, at, error}; ``stages``, version id to labels, all versions;
        ``next``, start and end of the next window in seconds, or None.
        """
        query = urllib.parse.urlencode({"secret": secret})
        found: dict[str, Any] = next(iter(self._call("GET", f"state?{query}")["secrets"].values()))
        return found

    def states(self) -> dict[str, dict[str, Any]]:
        """The states of all secrets, by ARN."""
        return {about["arn"]: about for about in self._call("GET", "state")["secrets"].values()}

    def settle(self, secret: str, timeout: float = 60, poll: float = _POLL_SECONDS) -> dict[str, Any]:
        """Waits until no rotation of the secret runs and returns its state; ``TimeoutError`` after so many seconds."""
        end = time.monotonic() + timeout
        while (state := self.state(secret))["rotating"]:
            if time.monotonic() > end:
                raise TimeoutError(f"{secret} still rotates after {timeout} s: {state['log']}; see {self.log_path}")
            time.sleep(poll)
        return state

    def advance(self, days: float = 0, hours: float = 0, seconds: float = 0) -> list[str]:
        """Moves the clock forward; returns the names of the secrets whose rotation that has started."""
        answer = self._call("POST", "advance", {"days": days, "hours": hours, "seconds": seconds})
        return list(answer["started"])

    def calls(self) -> list[dict[str, Any]]:
        """The API calls since the last reset, in order: {service, action, principal, function, resource, error, n}.

        ``principal`` is an ARN. ``function`` is the name of the Lambda function that called, or None. ``error`` is
        the code of the answer, "lost" when a fault took the answer away, or None. ``n`` counts equal calls in a row.
        """
        return list(self._call("GET", "calls"))

    def reset_calls(self) -> None:
        """Forgets the calls so far."""
        self._call("POST", "calls/reset", {})

    def add_fault(self, **rule: Any) -> None:
        """Orders a fault: action="service:Action", moment, turn=1, effect, principal="" (see ``calls.Fault``)."""
        self._call("POST", "faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """The faults that have not struck yet."""
        return list(self._call("GET", "faults"))

    def clear_faults(self) -> None:
        """Removes them."""
        self._call("DELETE", "faults")

    def use_data_api(self, address: str | None) -> None:
        """Hands calls of the RDS Data API on to the server at "host:port", which speaks its protocol; None ends it."""
        self._call("POST", "data-api", {"address": address})

    def use_elasticache(self, address: str | None) -> None:
        """Hands calls of ElastiCache on to the server at "host:port", which speaks its protocol; None ends it."""
        self._call("POST", "elasticache", {"address": address})

    def logs(self, function: str) -> list[str]:
        """All log lines of a function, in the order in which they were written."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=function)
        group = (configuration.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{function}"
        client = self.client("logs")
        try:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group)
            events = [event for page in pages for event in page["events"]]
        except client.exceptions.ResourceNotFoundException:
            return []
        events.sort(key=lambda event: event["timestamp"])
        return [line for event in events for line in event["message"].splitlines()]

    def _call(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        url = f"{self.endpoint}/_sandbox/{path}"
        request = urllib.request.Request(url, data=data, method=method)
        # No proxy: it is this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CALL_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(f"{method} {path}: {json.load(error)['error']}") from None


def _port(reader: int, process: subprocess.Popen[bytes], log: Path) -> int:
    """What the sandbox reports; the pipe also ends when its process ends."""
    timer = _killer(process)
    try:
        with os.fdopen(reader) as pipe:
            told = pipe.read()
    finally:
        timer.cancel()
    if not told:
        _end(process)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL:])
        raise SandboxError(f"the sandbox did not start (exit code {process.returncode}); the end of {log}:\n{tail}")
    return int(json.loads(told)["port"])


def _killer(process: subprocess.Popen[bytes]) -> threading.Timer:
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    return timer


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
