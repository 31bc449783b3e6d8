"""Clients for AWS services, with explicit timeouts and retries that fit the function's time.

boto3's defaults wait 60 s to connect and 60 s to read, longer than the function lives: it would be killed without a
log line. Its retry mode depends on the version that the runtime bundles.
"""

import functools
import os
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, NoRegionError
from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.loaders import Loader
from botocore.session import Session, get_session

from .deadline import Deadline
from .errors import (
    AccessDeniedError,
    AuthenticationError,
    AwsError,
    ConfigurationError,
    NetworkError,
    RotationError,
    StoreError,
    explained,
)

ATTEMPTS, THROTTLED_ATTEMPTS = 3, 6
_THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_BAD_CREDENTIAL = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}

_HINTS = {
    ("secretsmanager:GetSecretValue", "InvalidRequestException"): (
        " The secret is scheduled for deletion: restore it (aws secretsmanager restore-secret), or name another one."
    ),
    ("secretsmanager:GetSecretValue", "DecryptionFailure"): (
        " The KMS key that encrypts this version is disabled, deleted or not usable: enable it, or restore it."
    ),
}
"""What to do about a code of an action, where the code alone does not say it."""


class _Loader(Loader):
    """Takes each folder for a service: botocore looks into all 400 of them, twice, which is a tenth of a cold start."""

    def list_available_services(self, type_name: str) -> list[str]:
        """What botocore compares a service's name with, before it reads that service's files."""
        return [folder.name for path in self.search_paths for folder in Path(path).glob("*")]


@functools.cache
def session() -> Session:
    """What boto3.client uses too; boto3 itself would add a tenth to a cold start, for what is not used here."""
    made = get_session()
    paths = made.get_component("data_loader").search_paths
    made.register_component("data_loader", _Loader(paths, include_default_search_paths=False))
    return made


def prepare() -> None:
    """Read the models of Secrets Manager: a client that is made later takes milliseconds."""
    session().create_client("secretsmanager", region_name="us-east-1")


def client(
    service: str,
    deadline: Deadline,
    *,
    endpoint_url: str | None = None,
    attempts: int | None = None,
    **credentials: str,
) -> Any:
    """A boto3 client each of whose ``attempts`` ends before the function does; None: three, more of a throttled call.

    What issues something has one attempt: a second one, after an answer that came too late, would issue another.
    ``credentials`` are boto3's ``aws_access_key_id`` and so on, to log in as somebody else than the function's role.
    """
    # A share of the time and no constant: an endpoint that answers slowly is used by a function that has the time. Both
    # together are a quarter of it, so that three attempts fit, or one after a slow exchange with the service.
    total = deadline.total or deadline.remaining()
    connect, read = total / 12, total / 6
    _limit_resolver(total)
    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts or ATTEMPTS},
    )
    make: Callable[..., Any] = session().create_client
    made = make(service, config=config, endpoint_url=endpoint_url, **credentials)

    def check(**_: Any) -> None:
        deadline.require(connect + read, f"call {service}")

    made.meta.events.register("before-send", check)  # before each attempt, retries included
    if attempts is None:
        made.meta.events.register_last("needs-retry", _patient(deadline, connect + read))
    return made


def _patient(deadline: Deadline, needed: float) -> Callable[..., float | None]:
    """After boto3's last attempt: the pause before a further one, for a call that was throttled, if there is time.

    A fleet that rotates at once is throttled at the service's quotas. There, to wait is all that it takes; of a network
    that does not answer, more attempts would only be told later.
    """

    def pause(response: Any = None, attempts: int = 0, **_: Any) -> float | None:
        code = response[1].get("Error", {}).get("Code") if response else None
        if code not in _THROTTLED or not ATTEMPTS <= attempts < THROTTLED_ATTEMPTS:
            return None
        seconds = random.uniform(1, 2 ** (attempts - 1))  # noqa: S311 - so that not all come back at once
        return seconds if deadline.remaining() > seconds + needed else None

    return pause


def clients(deadline: Deadline, manager_url: str | None) -> Callable[..., Any]:
    """A function that makes clients. Those with the function's own role are made once.

    ``manager_url`` is the endpoint of Secrets Manager, for the secret that rotates and an administrator's alike.
    """

    @functools.cache
    def own(service: str, attempts: int | None) -> Any:
        url = manager_url if service == "secretsmanager" else None
        return client(service, deadline, endpoint_url=url, attempts=attempts)

    def make(service: str, *, attempts: int | None = None, **credentials: str) -> Any:
        # A target logs in with another credential at each rotation: none of them is kept.
        return client(service, deadline, attempts=attempts, **credentials) if credentials else own(service, attempts)

    return make


def _limit_resolver(total: float) -> None:
    """Name resolution is in no timeout of boto3: with three dead name servers glibc alone takes 28 s, here 6 of 60.

    The variable is read at the first resolution of a process, and holds for drivers too.
    """
    os.environ.setdefault("RES_OPTIONS", f"timeout:{min(5, max(1, int(total / 30)))} attempts:2")


def calling(action: str) -> AbstractContextManager[None]:
    """Explain the failure of the block as one of ``action``, such as "kms:GenerateDataKeyPair"."""
    return explained(lambda error: explain(error, action), ClientError, BotoCoreError, RotationError)


def explain(error: Exception, action: str) -> RotationError:
    """What an exception of boto3 means for the operator. Its own text is shown only where AWS names the permission."""
    if isinstance(error, RotationError):
        return error
    if isinstance(error, ClientError):
        return _explain_answer(error.response.get("Error", {}), action)
    if isinstance(error, HTTPClientError | NotConnectedError):
        return _unanswered(error, action)
    if isinstance(error, NoCredentialsError | NoRegionError):
        return ConfigurationError(f"{action}: the function has no credentials or no region ({type(error).__name__}).")
    if isinstance(error, BotoCoreError):
        return _failed(action, f"the call was not made ({type(error).__name__})")
    raise error


def _unanswered(error: BotoCoreError, action: str) -> NetworkError:
    url = urlsplit(str(error.kwargs.get("endpoint_url", "")))
    if url.hostname and not url.hostname.startswith(action.partition(":")[0]):
        return NetworkError(
            f"{action}: no answer from {url.scheme}://{url.netloc}, which is not AWS's own address of the service "
            f"({type(error).__name__}). Correct `endpoint_url`, or its security groups and the route to it."
        )
    return NetworkError(
        f"{action}: no answer from AWS ({type(error).__name__}). In a VPC the function needs a route to the "
        "service: a VPC endpoint or a NAT gateway. Check the security groups too. If the endpoint is slow, raise "
        "`function.timeout`: an attempt has a quarter of it."
    )


def _explain_answer(answer: Mapping[str, Any], action: str) -> RotationError:
    code = answer.get("Code", "unknown")
    if code in _DENIED:
        return AccessDeniedError(f"{action}: not allowed. {_sentence(answer)}{_kms_hint(answer)}")
    if code in _BAD_CREDENTIAL:
        return AuthenticationError(f"{action}: AWS refused the credential ({code}).")
    # Other messages may repeat parameters of the request, so only the code is shown.
    return _failed(action, f"AWS answered {code}", _HINTS.get((action, code), ""))


def _failed(action: str, what: str, hint: str = "") -> AwsError:
    kind = StoreError if action.startswith("secretsmanager:") else AwsError
    return kind(f"{action}: {what}.{hint}")


def _sentence(answer: Mapping[str, Any]) -> str:
    said = str(answer.get("Message", ""))
    return said if said.endswith(".") or not said else f"{said}."


def _kms_hint(answer: Mapping[str, Any]) -> str:
    if "KMS" not in answer.get("Message", ""):
        return ""
    return (
        " Name the key that encrypts the secret in `kms_key_arns`. If it is there already, the key's own policy has to "
        "allow the function's role too."
    )
