"""Whether a password is that of a hash which MySQL keeps in ``mysql.user.authentication_string``.

``mysql_native_password``: SHA-1 of SHA-1. ``sha256_password`` and ``caching_sha2_password``: the crypt function with
SHA-256 (Ulrich Drepper's specification), with a salt of 20 bytes. Python has no such function any more.
"""

import hashlib
import hmac
import re

_CRYPT = re.compile(
    r"\$(?:5|A\$(?P<thousands>[0-9A-F]{3}))\$(?P<salt>.{20})\$?(?P<digest>[./0-9A-Za-z]{43})", re.DOTALL
)
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_of(stored: str, password: str) -> bool:
    """Whether ``stored`` is a hash of the password; False for a hash of another kind too."""
    found = _CRYPT.fullmatch(stored)
    if found is None:
        return hmac.compare_digest(native(password).encode(), stored.encode())
    rounds = 1000 * int(found["thousands"] or "5", 16)
    digest = _crypt(password.encode(), found["salt"].encode(), rounds)
    return hmac.compare_digest(_text(digest).encode(), found["digest"].encode())


def native(password: str) -> str:
    """The hash of ``mysql_native_password``."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def _crypt(password: bytes, salt: bytes, rounds: int) -> bytes:
    size = len(password)
    mixed = _sha(password, salt, password)
    start = password + salt + _repeat(mixed, size)
    while size:
        start += mixed if size & 1 else password
        size >>= 1
    made = _sha(start)
    secret = _repeat(_sha(password * len(password)), len(password))
    grain = _repeat(_sha(salt * (16 + made[0])), len(salt))
    for n in range(rounds):
        made = _sha(
            secret if n & 1 else made, grain if n % 3 else b"", secret if n % 7 else b"", made if n & 1 else secret
        )
    return made


def _repeat(block: bytes, size: int) -> bytes:
    return (block * (size // len(block) + 1))[:size]


def _sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _text(digest: bytes) -> str:
    """Crypt's own base64, of bytes in its own order."""
    a, b, c = 0, 10, 20
    text = ""
    for _ in range(10):
        text += _letters(digest[a] << 16 | digest[b] << 8 | digest[c], 4)
        a, b, c = c + 1, a + 1, b + 1
    return text + _letters(digest[31] << 8 | digest[30], 3)


def _letters(bits: int, count: int) -> str:
    return "".join(_ALPHABET[bits >> 6 * n & 63] for n in range(count))
