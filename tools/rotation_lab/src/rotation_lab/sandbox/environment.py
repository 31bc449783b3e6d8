"""The process environment that ministack runs in. Nothing of the host's AWS or ministack settings gets through."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ACCOUNT, REGION = "123456789012", "us-east-1"

# ministack reads some hundred variables. A list of what may pass is shorter, and stays right when it reads one more.
_KEPT = {"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYENV_ROOT", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_KEPT |= {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"}  # for pip, which prepares the interpreters
_KEPT_PREFIXES = ("LC_", "PIP_", "XDG_", "SANDBOX_")


def prepare(host: str, port: int, work: Path) -> None:
    """Sets the environment for a ministack at ``port`` whose temporary files go to ``work``."""
    for name in list(os.environ):
        if name.upper() not in _KEPT and not name.startswith(_KEPT_PREFIXES):
            del os.environ[name]
    os.environ.update(
        AUTH="true",  # evaluate IAM
        BIND_HOST=host,
        GATEWAY_PORT=str(port),
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_REGION=REGION,
        STATE_DIR=str(work / "state"),  # written only with PERSIST_STATE; here so that nothing can be left behind
        S3_DATA_DIR=str(work / "s3"),
        LOG_LEVEL="WARNING",  # at INFO it logs what functions print
        LAMBDA_ACCOUNT_CONCURRENCY="1000",  # AWS's; its own follows the memory that is free
        IOT_MTLS_ENABLED="0",  # it would bind a port of its own
        SFTP_ENABLED="0",
        DOCKER_HOST=f"unix://{work}/no-docker",  # it removes containers that it takes for its own
    )
    tempfile.tempdir = str(work)
