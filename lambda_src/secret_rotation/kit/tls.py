"""TLS to a service: verified unless the setting ``tls`` says otherwise, and never given up silently."""

import os
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ..errors import ConfigurationError

ROOT = Path(os.environ.get("LAMBDA_TASK_ROOT", Path(__file__).parents[2]))
"""Where the function's zip is unpacked."""
ADVICE = (
    "Give the certificate's authority as 'tls_ca', and a host name that the certificate has. If the server speaks no "
    'TLS at all: tls = "disable".'
)


def context(settings: Mapping[str, str]) -> ssl.SSLContext | None:
    """How to connect by the settings ``tls`` and ``tls_ca``; None for a connection without TLS.

    ``tls_ca`` is trusted besides the system's authorities: certificates in PEM, or the path of a file with them,
    absolute (of a layer, below /opt) or relative to the zip. Raises ``ConfigurationError``.
    """
    wanted = settings.get("tls") or "verify"
    if wanted not in ("verify", "disable"):
        raise ConfigurationError(f"The setting 'tls' is {wanted!r}; allowed: verify, disable.")
    return None if wanted == "disable" else _verifying(settings.get("tls_ca") or "")


def problem(where: str, error: ssl.SSLError) -> ConfigurationError:
    """What to tell of a failed handshake."""
    # Of OpenSSL's text only the name of the reason: the rest may repeat what the server sent. Python's own has none.
    reason = getattr(error, "reason", None) or type(error).__name__
    return ConfigurationError(f"{where}: no TLS connection ({reason}). {ADVICE}")


def refused(where: str) -> ConfigurationError:
    """What to tell of a server that does not speak TLS."""
    return ConfigurationError(f"{where}: the server does not speak TLS, so nothing was sent to it. {ADVICE}")


@cache  # reading the system's authorities takes longer than the connection
def _verifying(authorities: str) -> ssl.SSLContext:
    made = ssl.create_default_context()
    # From Python 3.13 on: demands extensions that certificates made by databases lack. Chain and name are verified.
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if authorities:
            pem = authorities if "-----BEGIN" in authorities else (ROOT / authorities).read_text("ascii")
            made.load_verify_locations(cadata=pem)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise ConfigurationError(
            "The setting 'tls_ca' is neither certificates in PEM nor the path of a file with them, in the zip or in a "
            "layer (/opt/...)."
        ) from None
    return made
