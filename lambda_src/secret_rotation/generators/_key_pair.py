"""What the key pairs share. They come from KMS: the standard library makes none, and a library would have to be
compiled for the runtime.
"""

import base64
import textwrap
from collections.abc import Mapping

from . import Source


def make(key: str, settings: Mapping[str, str], source: Source, spec: str) -> dict[str, str]:
    """The private key as PEM of PKCS #8, and the public one, if it has a key, as PEM of SubjectPublicKeyInfo."""
    private, public = source.key_pair(settings["kms_key_arn"], spec)
    pair = {key: _pem("PRIVATE KEY", private)}
    if "public_key" in settings:
        pair[settings["public_key"]] = _pem("PUBLIC KEY", public)
    return pair


def _pem(label: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
