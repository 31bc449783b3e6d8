"""TLS to a service: verified unless the setting ``tls`` says otherwise, and never given up silently."""

import os
import re
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from ..credential import Credential
from ..errors import ConfigurationError, NetworkError, RotationError, SettingError, explained
from .connection import Limited, SecureSocket, unanswered

ROOT = Path(os.environ.get("LAMBDA_TASK_ROOT", Path(__file__).parents[2]))
"""Where the function's zip is unpacked."""

CLIENT_SETTING = "tls_client_secret_arn"
"""The setting that names a secret with the certificate by which the function shows who it is."""
CLIENT_KEYS = ("certificate", "private_key")
"""The keys of that secret, both PEM."""

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_NO_TLS = 'Check the port. If the server speaks no TLS at all: tls = "disable".'
_ASK_CLIENT = (
    "Where the server demands a client's certificate, give a secret with the keys 'certificate' and 'private_key' as "
    f"{CLIENT_SETTING!r}."
)
_NOTHING_IN_COMMON = f"Check the server's TLS versions, ciphers and curves. {_ASK_CLIENT}"
_TOO_OLD = "The server speaks TLS 1.1 at most; TLS 1.2 or later is needed. Upgrade the server or turn TLS 1.2 on there."
_BAD_CLIENT = f"The server rejects the client's certificate: check what is in {CLIENT_SETTING!r}."
_ADVICE = {
    "UNSUPPORTED_PROTOCOL": _TOO_OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _TOO_OLD,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "UNKNOWN_PROTOCOL": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "HungUpError": "The server closed the connection. Check the port, and that the server speaks TLS there.",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _ASK_CLIENT,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NOTHING_IN_COMMON,
    "SSLV3_ALERT_BAD_CERTIFICATE": _BAD_CLIENT,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _BAD_CLIENT,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": _BAD_CLIENT,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _BAD_CLIENT,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _BAD_CLIENT,
    "TLSV1_ALERT_UNKNOWN_CA": _BAD_CLIENT,
    "TLSV1_ALERT_DECRYPT_ERROR": _BAD_CLIENT,
}
"""What to do about OpenSSL's name of a failure."""
_WRONG_NAME = (
    "The certificate is for another name: connect by a name that is in it, or give that name as 'tls_server_name'."
)
_TOO_WEAK = (
    "The certificate's key or signature is too weak (RSA needs 2048 bits, signatures SHA-256), or that of its "
    "authority: renew it."
)
_CERTIFICATE = {
    9: "The certificate is not valid yet: check the server's clock.",
    10: "The certificate has expired: renew it.",
    18: "The certificate is self-signed: give it as 'tls_ca'.",
    26: "The certificate is not for servers (extendedKeyUsage): have one made for serverAuth.",
    62: _WRONG_NAME,
    64: _WRONG_NAME,
    66: _TOO_WEAK,
    67: _TOO_WEAK,
    68: _TOO_WEAK,
}
"""What to do about a certificate, by OpenSSL's number of what is wrong with it."""
_AUTHORITY = "Give the certificate's authority as 'tls_ca'."


class TlsError(ConfigurationError):
    """There is no connection as the settings demand it. No value was sent, so another one would not do better."""


class HungUpError(ssl.SSLError):
    """The server closed the connection in the handshake."""


class Trust(ssl.SSLContext):
    """Wraps connections so that their limit holds for the handshake too, whoever asks: drivers call it themselves."""

    name: str | None = None
    """The name that the certificate has to have; None: that of the host."""
    sslsocket_class = SecureSocket

    def wrap_socket(self, sock: Any, *_: Any, server_hostname: Any = None, **__: Any) -> SecureSocket:
        """Begin TLS within the limit that ``sock`` has."""
        name = (self.name or server_hostname).removesuffix(".")  # which a name may end in for the resolver alone
        made = cast(SecureSocket, super().wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False))
        made.limit = sock.limit if isinstance(sock, Limited) else made.limit
        try:
            made.do_handshake()
        except OSError as error:
            made.close()
            raise HungUpError() if isinstance(error, ssl.SSLEOFError) else error from None
        return made


def context(settings: Mapping[str, str], client: Credential | None = None, *, protocol: str = "") -> Trust | None:
    """How to connect by the settings ``tls``, ``tls_ca`` and ``tls_server_name``; None: without TLS.

    ``protocol`` is what is going to be spoken, as ALPN names it: some servers demand that it is said.

    ``tls_ca`` is trusted besides the system's authorities: certificates in PEM, or the path of a file with them,
    absolute (of a layer, below /opt) or relative to the zip. An authority, an intermediate one and the server's own
    certificate are all taken. ``client`` holds the certificate by which the function shows who it is. Raises
    ``ConfigurationError``.
    """
    wanted = settings.get("tls") or "verify"
    if wanted not in ("verify", "disable"):
        raise SettingError(f"The setting 'tls' is {wanted!r}; allowed: verify, disable.")
    if wanted == "disable":
        return None
    trusted = settings.get("tls_ca") or "", settings.get("tls_server_name") or None, protocol
    # One with a private key is not kept: it would outlive the rotation.
    return _trust(*trusted) if client is None else _show(_trust.__wrapped__(*trusted), client)


def problem(where: str, error: ssl.SSLError) -> RotationError:
    """What to say of a failed handshake. Of OpenSSL's text only the reason: the rest may repeat what a server sent."""
    reason = getattr(error, "reason", None) or type(error).__name__
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return NetworkError(
            f"{where}: the server closed the connection ({reason}). The rotation is tried again. {_ASK_CLIENT}"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = _CERTIFICATE.get(getattr(error, "verify_code", 0), _AUTHORITY)
    else:
        advice = _ADVICE.get(reason, "Check the server's log, its TLS versions and ciphers, and 'tls_ca'.")
    return TlsError(f"{where}: no TLS connection ({reason}). {advice}")


def broken(where: str, error: Exception, waited: float, check: str = "host and port") -> RotationError:
    """What to say of a connection that TLS or the network has ended; the rest as of ``connection.unanswered``."""
    if isinstance(error, ssl.SSLError):
        return problem(where, error)
    return unanswered(where, error, waited, check)


def refused(where: str) -> TlsError:
    """What to say of a server that does not speak TLS."""
    return TlsError(f"{where}: the server does not speak TLS, so nothing was sent to it. {_NO_TLS}")


@cache  # reading the system's authorities takes longer than the connection
def _trust(authorities: str, name: str | None, protocol: str) -> Trust:
    made = Trust(ssl.PROTOCOL_TLS_CLIENT)
    made.name = name
    # What psql, mariadb and curl offer. Python leaves out ciphers with RSA key exchange or SHA-1 as MAC, which are all
    # that some older servers have.
    made.set_ciphers("DEFAULT:@SECLEVEL=2")
    if protocol:
        made.set_alpn_protocols([protocol])
    made.load_default_certs()
    # The same from Python 3.11 to 3.14. 3.13 began to demand extensions that certificates made by databases lack, and
    # to take a trusted certificate that is not a root. Chain and name are always verified.
    made.verify_flags = (made.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    if authorities:
        with explained(_no_authorities, OSError, ValueError):  # ssl.SSLError is an OSError
            made.load_verify_locations(cadata=_certificates(authorities))
    return made


def _certificates(authorities: str) -> str:
    """The certificates, without what else stands in the file: comments in any encoding, which OpenSSL would refuse."""
    text = authorities.encode() if "-----BEGIN" in authorities else (ROOT / authorities).read_bytes()
    return b"\n".join(_PEM.findall(text)).decode()


def _no_authorities(_: Exception) -> RotationError:
    return ConfigurationError(
        "The setting 'tls_ca' is neither certificates in PEM nor the path of a file with them, in the zip or in a "
        "layer (/opt/...)."
    )


def _show(made: Trust, client: Credential) -> Trust:
    """Python reads a key from a file only; this one has no name, lies in memory, and is gone when it is closed."""
    with os.fdopen(os.memfd_create("client"), "wb") as file, explained(_no_pair, OSError, ValueError):
        file.write("\n".join(client.require(key) for key in reversed(CLIENT_KEYS)).encode())
        file.flush()
        made.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=_no_password)
    return made


def _no_pair(_: Exception) -> RotationError:
    return ConfigurationError(
        "The client's certificate cannot be used: 'certificate' (with those between it and its authority) and its "
        f"'private_key', not encrypted, must both be PEM in the secret of {CLIENT_SETTING!r}, or the administrator's."
    )


def _no_password() -> str:
    return ""  # without one OpenSSL would ask at the terminal
