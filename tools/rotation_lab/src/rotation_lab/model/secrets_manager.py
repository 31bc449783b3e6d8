"""Secrets Manager in memory: versions, labels and rotation as AWS keeps them, behind real boto3 clients.

moto cannot stand in for it: it lets a token have two values, and one label sit on two versions. Here a boto3 client is
real up to the point where a request would be sent, so parameters are checked, pages are read and errors are raised as
they are in production; ``SecretsManager`` gives the answer.

    manager = SecretsManager()
    arn = manager.create('{"password": "old"}')
    token = manager.rotate(arn)                    # an AWSPENDING version without a value, as AWS makes it
    client = manager.client()                      # for the function under test
    manager.hooks.append(lambda moment, action: …)  # raise here: "before" nothing is done, "after" the answer is lost

What a person does is done through ``client()`` too, or by the methods ``rotate``, ``cancel``, ``put`` and ``clear``.
"""

import copy
import json
import random
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel

from rotation_lab.leaks import made

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
REGION, ACCOUNT = "eu-west-1", "123456789012"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

Data = dict[str, Any]
Hook = Callable[[str, str], None]
"""Called with "before" or "after" and the name of the action, such as "PutSecretValue"."""


class ServiceError(Exception):
    """An answer with an error code. A hook raises it to make the service answer so; "after" loses the real answer."""

    def __init__(self, code: str, message: str = "Said by the stand-in.") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@dataclass
class Version:
    """One version of a secret. ``data`` holds SecretString or SecretBinary; it is empty before PutSecretValue."""

    created: datetime
    data: Data = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)

    @property
    def text(self) -> str | None:
        """The SecretString, if any."""
        return self.data.get("SecretString")


@dataclass
class Secret:
    """One secret and all its versions, in the order in which they were made."""

    arn: str
    versions: dict[str, Version] = field(default_factory=dict)
    rotation_enabled: bool = False

    def holder(self, label: str) -> str | None:
        """The id of the version that has ``label``."""
        return next((version for version, about in self.versions.items() if label in about.labels), None)

    def text(self, label: str = CURRENT) -> str | None:
        """The SecretString of the version that has ``label``."""
        version = self.holder(label)
        return None if version is None else self.versions[version].text

    def texts(self) -> set[str]:
        """The SecretString of every version that is kept, labelled or not."""
        return {version.text for version in self.versions.values() if version.text is not None}

    def move(self, label: str, version: str | None) -> None:
        """Put ``label`` on one version only, or on none; AWSPREVIOUS follows where AWSCURRENT was."""
        old = self.holder(label)
        if old == version:
            return
        if old is not None:
            self.versions[old].labels.discard(label)
        if version is not None:
            self.versions[version].labels.add(label)
        if label == CURRENT and old is not None and version is not None:
            self.move(PREVIOUS, old)


class SecretsManager:
    """The service. ``calls`` has the names of the actions that clients called, ``requests`` their parameters."""

    def __init__(self, seed: int = 0) -> None:
        self.secrets: dict[str, Secret] = {}
        self.hooks: list[Hook] = []
        self.calls: list[str] = []
        self.requests: list[tuple[str, Data]] = []
        self.stale_reads = 0
        """So many of the next reads see the secrets as they were before the last write."""
        self.made: list[str] = []
        """Every password that GetRandomPassword has given."""
        self._random, self._count = random.Random(seed), 0
        self._before_last_write: dict[str, Secret] = {}

    # What the service and people do, without the function.

    def create(self, value: str | bytes | None = None, name: str = "secret", *, rotation_enabled: bool = True) -> str:
        """Make a secret and return its ARN; without a value it has no version."""
        arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{len(self.secrets):06}"
        self.secrets[arn] = Secret(arn, rotation_enabled=rotation_enabled)
        if value is not None:
            self.put(arn, value)
        return arn

    def put(self, arn: str, value: str | bytes, labels: tuple[str, ...] = (CURRENT,)) -> str:
        """Put a value by hand, and return its version: with AWSCURRENT it abandons a rotation in progress."""
        token = self.token()
        kind = "SecretString" if isinstance(value, str) else "SecretBinary"
        self._put(self.secrets[arn], token, {kind: value}, labels)
        return token

    def rotate(self, arn: str) -> str:
        """RotateSecret: return the token of the steps to come, that of a rotation that is not complete included."""
        secret = self.secrets[arn]
        secret.rotation_enabled = True
        pending = secret.holder(PENDING)
        if pending is not None and pending != secret.holder(CURRENT):
            return pending
        token = self.token()
        self._remember()
        secret.versions[token] = Version(self._now())
        secret.move(PENDING, token)
        return token

    def complete(self, arn: str) -> bool:
        """What the service does after finishSecret: whether AWSCURRENT is on AWSPENDING's version, which it clears."""
        secret = self.secrets[arn]
        done = secret.holder(PENDING) in (None, secret.holder(CURRENT))
        if done:
            secret.move(PENDING, None)
        return done

    def withdraw(self, arn: str) -> None:
        """Take away the temporary version of a testSecret that came alone (RotateImmediately=false)."""
        secret = self.secrets[arn]
        pending = secret.holder(PENDING)
        if pending is not None:
            del secret.versions[pending]

    def cancel(self, arn: str) -> None:
        """CancelRotateSecret: AWSPENDING stays where it is."""
        self.secrets[arn].rotation_enabled = False

    def clear(self, arn: str, label: str = PENDING) -> None:
        """Remove a label by hand, as AWS's documented recovery does."""
        self._remember()
        self.secrets[arn].move(label, None)

    def token(self) -> str:
        """A new ClientRequestToken."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    # The client.

    def client(self) -> Any:
        """A boto3 client whose requests are answered here."""
        return _client(self)

    def answer(self, action: str, request: Data) -> Data:
        """Answer one request; ``ServiceError`` is what the client raises as its ClientError."""
        self.calls.append(action)
        self.requests.append((action, request))
        self._tell("before", action)
        result: Data = getattr(self, f"_{action}")(request)
        self._tell("after", action)
        return result

    def _tell(self, moment: str, action: str) -> None:
        for hook in self.hooks:
            hook(moment, action)

    # The actions, named as AWS names them.

    def _DescribeSecret(self, request: Data) -> Data:  # noqa: N802
        secret = self._read(request)
        labels = {v: sorted(about.labels) for v, about in secret.versions.items() if about.labels}
        answer: Data = {"ARN": secret.arn, "Name": secret.arn.rsplit(":", 1)[1]}
        if labels:
            answer["VersionIdsToStages"] = labels
        if secret.rotation_enabled:
            answer["RotationEnabled"] = True
        return answer

    def _GetSecretValue(self, request: Data) -> Data:  # noqa: N802
        secret = self._read(request)
        version = request.get("VersionId") or secret.holder(request.get("VersionStage", CURRENT))
        found = secret.versions.get(version or "")
        if found is None or not found.data:
            raise ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret value.")
        return {"ARN": secret.arn, "VersionId": version, "VersionStages": sorted(found.labels), **found.data}

    def _ListSecretVersionIds(self, request: Data) -> Data:  # noqa: N802
        secret = self._read(request)
        kept = [(v, a) for v, a in secret.versions.items() if a.labels or request.get("IncludeDeprecated")]
        start = int(request.get("NextToken", 0))
        page = [
            {"VersionId": v, "CreatedDate": a.created, **({"VersionStages": sorted(a.labels)} if a.labels else {})}
            for v, a in kept[start : start + 2]  # small pages, so that reading only the first one shows
        ]
        more = {"NextToken": str(start + 2)} if len(kept) > start + 2 else {}
        return {"ARN": secret.arn, "Versions": page, **more}

    def _PutSecretValue(self, request: Data) -> Data:  # noqa: N802
        secret = self._find(request)
        value: Data = {kind: request[kind] for kind in ("SecretString", "SecretBinary") if kind in request}
        if len(str(value.get("SecretString", "")).encode("utf-8", "surrogatepass")) > 65_536:
            raise ServiceError("ValidationException", "Value too long.")
        token = request.get("ClientRequestToken") or self.token()
        self._put(secret, token, value, tuple(request.get("VersionStages", (CURRENT,))))
        return {"ARN": secret.arn, "VersionId": token}

    def _UpdateSecretVersionStage(self, request: Data) -> Data:  # noqa: N802
        secret, label = self._find(request), request["VersionStage"]
        source, target = request.get("RemoveFromVersionId"), request.get("MoveToVersionId")
        if target is not None and target not in secret.versions:
            raise ServiceError("ResourceNotFoundException", "No such version.")
        holder = secret.holder(label)
        if holder != source and not (source is None and holder == target):
            raise ServiceError("InvalidParameterException", "RemoveFromVersionId is not where the label is.")
        self._remember()
        secret.move(label, target)
        return {"ARN": secret.arn}

    def _GetRandomPassword(self, request: Data) -> Data:  # noqa: N802
        classes = {
            "ExcludeLowercase": string.ascii_lowercase,
            "ExcludeUppercase": string.ascii_uppercase,
            "ExcludeNumbers": string.digits,
            "ExcludePunctuation": string.punctuation,
        }
        chosen = [chars for name, chars in classes.items() if not request.get(name)]
        chosen += [" "] if request.get("IncludeSpace") else []
        excluded = set(request.get("ExcludeCharacters", ""))
        pools = [[c for c in chars if c not in excluded] for chars in chosen]
        password = [self._random.choice(pool) for pool in pools if request.get("RequireEachIncludedType", True)]
        everything = [c for pool in pools for c in pool]
        password += self._random.choices(everything, k=request.get("PasswordLength", 32) - len(password))
        self._random.shuffle(password)
        self.made.append(made("".join(password)))
        return {"RandomPassword": self.made[-1]}

    # What the actions share.

    def _find(self, request: Data) -> Secret:
        try:
            return self.secrets[request["SecretId"]]
        except KeyError:
            raise ServiceError(
                "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            ) from None

    def _read(self, request: Data) -> Secret:
        secret = self._find(request)
        if self.stale_reads > 0:
            self.stale_reads -= 1
            return self._before_last_write.get(secret.arn, secret)
        return secret

    def _put(self, secret: Secret, token: str, value: Data, labels: tuple[str, ...]) -> None:
        version = secret.versions.get(token)
        if version is not None and version.data:
            if version.data != value:
                raise ServiceError("ResourceExistsException", "The token has another value.")
            return
        self._remember()
        secret.versions.setdefault(token, Version(self._now())).data = value
        first = () if secret.holder(CURRENT) else (CURRENT,)
        for label in (*labels, *first):
            secret.move(label, token)
        if CURRENT in labels and secret.holder(PENDING) not in (None, token):
            secret.move(PENDING, None)  # a value by hand abandons the rotation

    def _remember(self) -> None:
        self._before_last_write = copy.deepcopy(self.secrets)

    def _now(self) -> datetime:
        self._count += 1
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self._count)


@cache
def _session() -> Any:
    """One session for all clients, since reading the service's model costs more than a rotation."""
    return boto3.Session(region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing")


def _client(manager: SecretsManager) -> Any:
    def answer(model: OperationModel, params: Data, **_: object) -> tuple[Any, Data]:
        try:
            return SimpleNamespace(status_code=200), manager.answer(model.name, _decode(params))
        except ServiceError as error:
            return SimpleNamespace(status_code=400), {"Error": {"Code": error.code, "Message": error.message}}

    made = _session().client("secretsmanager")
    made.meta.events.register("before-call.secretsmanager", answer)
    return made


def _decode(params: Data) -> Data:
    return dict(json.loads(params["body"]))
