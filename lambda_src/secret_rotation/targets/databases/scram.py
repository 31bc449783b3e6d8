"""SCRAM-SHA-256 as libpq does it, which decides what PostgreSQL's clients can log in with; MongoDB's too, and SHA-1.

The driver's own is stricter: it refuses passwords with control characters or new Unicode characters, which libpq sends
as they are, and verifiers with fewer than 4096 iterations.
"""

import hashlib
import hmac
import secrets
import ssl
import stringprep
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

ITERATIONS = 4096
"""The server's default, and the least for a verifier that is made here."""
_MOST_ITERATIONS = 10_000_000
"""Of a server: more would take longer than a function runs."""
_BOUND = "SCRAM-SHA-256-PLUS"
_MECHANISMS = {"sha256": "SCRAM-SHA-256", "sha1": "SCRAM-SHA-1"}
_PROHIBITED = tuple(
    getattr(stringprep, f"in_table_{name}")
    for name in ("a1", "c12", "c21_c22", "c3", "c4", "c5", "c6", "c7", "c8", "c9")
)


class ScramError(Exception):
    """The exchange failed, for another reason than a wrong password. The text holds no value."""


def prepare(password: str) -> bytes:
    """What is hashed. Where SASLprep prohibits a character, libpq and the server take the password as it is."""
    if password.isascii():
        return password.encode()
    # The zero width space is in both tables: it becomes a space.
    spaced = (" " if stringprep.in_table_c12(c) else c for c in password)
    mapped = "".join(c for c in spaced if not stringprep.in_table_b1(c))
    if not mapped or any(prohibits(c) for c in mapped for prohibits in _PROHIBITED) or not _is_one_way(mapped):
        return password.encode()
    return unicodedata.normalize("NFKC", mapped).encode()


def _is_one_way(text: str) -> bool:
    """Whether all of it is written from the left, or from the right, as SASLprep demands."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    return all(map(stringprep.in_table_d1, (text[0], text[-1]))) and not any(map(stringprep.in_table_d2, text))


def verifier(password: str, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """What the server keeps of a password."""
    salt = salt or secrets.token_bytes(16)
    client, server = _keys(prepare(password), salt, iterations)
    stored = hashlib.sha256(client).digest()
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored)}:{_text(server)}"


@dataclass
class Exchange:
    """The client's side of one login."""

    password: str
    channel: Any = None
    """The connection; over TLS the login is bound to the server's certificate. None: it is not bound."""
    name: str = ""
    """Who logs in. PostgreSQL takes the name from the start of the connection."""
    digest: str = "sha256"
    salt: bytes = b""
    iterations: int = 0
    """Of the verifier that the server has; known after its first message."""
    finished: bool = False
    """Whether the server has shown that it knows the password."""

    def begin(self, mechanisms: list[str]) -> tuple[str, bytes]:
        """The mechanism and the first message."""
        self._binding, header = b"", "n,,"
        if isinstance(self.channel, ssl.SSLSocket):
            self._binding, header = self._bind(mechanisms)
        plain = _MECHANISMS[self.digest]
        if not self._binding and plain not in mechanisms:
            raise ScramError("The server offers no way to log in that is known here.")
        self._header = header.encode()
        self._nonce = _text(secrets.token_bytes(18))
        name = self.name.replace("=", "=3D").replace(",", "=2C")
        self._first = f"n={name},r={self._nonce}"
        return (_BOUND if self._binding else plain), self._header + self._first.encode()

    def _bind(self, mechanisms: list[str]) -> tuple[bytes, str]:
        if _BOUND not in mechanisms:
            return b"", "y,,"
        made = _digest(self.channel.getpeercert(binary_form=True))
        return made, "p=tls-server-end-point,," if made else "n,,"

    def read_first(self, message: str) -> None:
        """Take salt and iterations from the server's first message."""
        found = _fields(message)
        try:
            nonce, self.salt, self.iterations = found["r"], b64decode(found["s"], validate=True), int(found["i"])
        except (KeyError, ValueError):
            raise ScramError("The server's message cannot be read.") from None
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not 0 < self.iterations <= _MOST_ITERATIONS:
            raise ScramError("The server's message is not one of SCRAM.")
        self._server_first, self._final_nonce = message, nonce

    def prove(self) -> bytes:
        """The message which shows that the password is known."""
        client, server = _keys(prepare(self.password), self.salt, self.iterations, self.digest)
        final = f"c={_text(self._header + self._binding)},r={self._final_nonce}"
        said = ",".join((self._first, self._server_first, final)).encode()
        signature = hmac.digest(hashlib.new(self.digest, client).digest(), said, self.digest)
        self._expected = hmac.digest(server, said, self.digest)
        proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        return f"{final},p={_text(proof)}".encode()

    def read_final(self, message: str) -> None:
        """Check that the server knows the password too."""
        if not hmac.compare_digest(_fields(message).get("v", "").encode(), _text(self._expected).encode()):
            raise ScramError("The server does not know the password either.")
        self.finished = True


def _keys(password: bytes, salt: bytes, iterations: int, digest: str = "sha256") -> tuple[bytes, bytes]:
    salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
    return hmac.digest(salted, b"Client Key", digest), hmac.digest(salted, b"Server Key", digest)


def _digest(certificate: bytes) -> bytes:
    """Of the server's certificate, as tls-server-end-point has it; empty where none is defined, as for Ed25519."""
    from asn1crypto.x509 import Certificate  # of the driver: who makes a verifier only has none

    try:
        name = Certificate.load(certificate).hash_algo
    except ValueError:
        return b""
    return hashlib.new("sha256" if name in ("md5", "sha1") else name, certificate).digest()


def _fields(message: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.split(",") if "=" in part)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
