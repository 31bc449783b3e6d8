"""Any settings of a target, and any texts in the secret beside them, end in an error of our own that explains itself.

Nothing is reached: names are looked up as far as Python does it itself, and then there is no network.
"""

import contextlib
import io
import json
import socket
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secret_rotation import catalogue, loading
from secret_rotation.errors import RotationError, SettingError
from secret_rotation.target import Credential, Given
from tests.messages import refused
from tests.settings_cases import ADMIN, REQUIRED, SECRET
from tests.support import contexts

CATALOGUE = {kind: about for kind, about in catalogue.targets().items() if about["settings"]}
any_text = st.text(st.characters(exclude_categories=()), max_size=30)
PLAUSIBLE = {
    "url": [
        "https://localhost/me",
        "http://localhost/",
        "http://[::1",
        "https://[fe80::1%25x]/",
        "https://a..b/",
        "https://{{pending.x}}/",
    ],
    "host": ["localhost", "a..b", "x" * 300, "\ud800", "a\0b", "ü.example", ".", "[::1]"],
    "port": ["5432", "0", "65536", "٣", "-1", "1e3"],
    "headers": ['{"X-Key": "{{pending}}"}', "{}", '{"Content-Type": "text/plain"}', "[[[["],
    "body": ['{"p": "{{pending.password}}"}', "{{", "[" * 2000, "p={{login}}"],
    "tls_ca": ["-----BEGIN CERTIFICATE-----", "/dev/null", "..", "\0"],
    "secret_arn": [ADMIN, SECRET],
    "user_arn": [REQUIRED["iam_access_key"]["user_arn"]],
    "cluster_arn": [REQUIRED["rds_data"]["cluster_arn"]],
    "server_name": ["localhost", "db.example.com"],
    "max_logins": ["1", "100"],
    "method": ["PUT", "GET"],
    "status": ["200-299", "204, 401-403"],
    "service": ["execute-api"],
    "region": ["eu-west-1"],
}
CALLS = {
    "set": {"url": "https://localhost/{{pending.username}}", "auth": "basic", "body": {"p": "{{pending}}"}},
    "test": {"url": "https://localhost/me", "auth": "basic"},
}
QUIET = {("postgresql", "create_secret"), ("mysql", "create_secret"), ("iam_access_key", "set_secret")}
"""Steps that may have nothing to do."""
KEYS = ("host", "port", "username", "dbname", "engine")
"""Of the secret, beside the password."""


def texts(name: str) -> st.SearchStrategy[str]:
    """Values of a setting, or of a key: what might be meant, and anything else."""
    kind = next((kind for kind in reversed(PLAUSIBLE) if name.endswith(kind)), None)
    return (st.sampled_from(PLAUSIBLE[kind]) | any_text) if kind else any_text


def values(name: str, about: catalogue.Entry) -> st.SearchStrategy[str]:
    """Values of a setting that the catalogue lets through: the others never reach a target."""
    if "allowed" in about:
        return st.sampled_from(about["allowed"])
    if "range" in about:
        return st.sampled_from(about["range"]).map(str)
    if "pattern" in about:
        kind = next((kind for kind in reversed(PLAUSIBLE) if name.endswith(kind)), None)
        known = [value for value in PLAUSIBLE.get(kind or "", []) if catalogue.is_allowed(about, value)]
        return st.sampled_from(known) if known else st.from_regex(about["pattern"], fullmatch=True, alphabet="a.:/-1é=")
    return texts(name)


def given_settings(kind: str) -> st.SearchStrategy[dict[str, str]]:
    known = CATALOGUE[kind]["settings"]
    required = {name: values(name, about) for name, about in known.items() if about.get("required")}
    optional = {name: values(name, about) for name, about in known.items() if not about.get("required")}
    return st.fixed_dictionaries(required, optional=optional)


members: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"password": any_text.filter(bool)}, optional={name: texts(name) for name in KEYS}
)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: Any, *_: Any, **__: Any) -> Any:
        if isinstance(host, str):
            host.encode("idna")  # as socket.getaddrinfo does, before it asks anybody
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


class NoAws:
    """A client of any service of AWS that reaches nothing."""

    exceptions = type("Exceptions", (), {"ResourceNotFoundException": KeyError, "NoSuchEntityException": KeyError})

    def __getattr__(self, action: str) -> Any:
        def call(**_: Any) -> Any:
            raise EndpointConnectionError(endpoint_url="none")

        return call


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@pytest.mark.parametrize("step", ["create_secret", "set_secret", "test_secret"])
@pytest.mark.parametrize("kind", CATALOGUE)
@given(st.data())
def test_any_settings_and_any_secret_end_in_an_error_that_explains_itself(
    kind: str, step: str, data: st.DataObject
) -> None:
    chosen, fields = data.draw(given_settings(kind)), data.draw(members)
    with contextlib.suppress(SettingError):  # such as alternating users without an administrator
        run(kind, step, catalogue.target_settings(kind, chosen), fields)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, about in CATALOGUE.items() for name in about["settings"]]
)
@given(any_text)
def test_any_text_of_a_setting_is_taken_or_refused_by_its_name(kind: str, name: str, text: str) -> None:
    about, chosen = CATALOGUE[kind]["settings"][name], {**REQUIRED[kind], name: text}
    if catalogue.is_allowed(about, text) and (text or not about.get("required")):
        assert catalogue.target_settings(kind, chosen)[name] == text
    else:
        with refused(SettingError, repr(name)):
            catalogue.target_settings(kind, chosen)


def run(kind: str, step: str, chosen: dict[str, str], fields: dict[str, Any]) -> None:
    """A step must end in an error: there is nothing that it could have reached."""
    module = loading.load(kind, Given(("password",), {**chosen, "sigv4_region": "eu-west-1"}, "password", CALLS))
    if getattr(module, step) is None:
        return
    keys = ("password",)
    pending, current = (Credential(name, json.dumps(fields), keys) for name in ("new", "old"))
    step_context = contexts.of(kind)(pending, current, client=lambda *_, **__: NoAws(), **chosen)
    with contextlib.redirect_stdout(io.StringIO()):
        if (kind, step) in QUIET:
            with contextlib.suppress(RotationError):
                getattr(module, step)(step_context)
        else:
            with pytest.raises(RotationError) as raised:
                getattr(module, step)(step_context)
            assert str(raised.value).encode()
