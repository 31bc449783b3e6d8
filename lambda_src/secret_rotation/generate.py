"""Make new values: GetRandomPassword, random bytes as text, identifiers, and key pairs.

``hex``, ``base64`` and ``uuid`` come from the operating system's generator. Key pairs come from KMS, since the standard
library makes none and a library would have to be compiled for the runtime.
"""

import base64
import secrets
import string
import textwrap
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import SettingError

MAX_BYTES = 4096
_RSA_BITS = (2048, 3072, 4096)
_CURVES = {"P-256": "NIST_P256", "P-384": "NIST_P384", "P-521": "NIST_P521", "secp256k1": "SECG_P256K1"}


class Source(Protocol):
    """Where randomness comes from that is not made here."""

    def random_password(self, **options: Any) -> str:
        """GetRandomPassword of Secrets Manager."""

    def key_pair(self, key_id: str, spec: str) -> tuple[bytes, bytes]:
        """GenerateDataKeyPair of KMS: the private key (PKCS #8) and the public key (SPKI), both DER."""


class Generator(Protocol):
    """Makes new values for one key of a secret."""

    def make(self, key: str, source: Source, /) -> dict[str, str]:
        """Return the new value of ``key``, and of a second key where the generator fills two."""


@dataclass(frozen=True)
class Password:
    """A password by GetRandomPassword, https://docs.aws.amazon.com/secretsmanager/latest/apireference/."""

    length: int = 32
    exclude_characters: str = ""
    exclude_numbers: bool = False
    exclude_punctuation: bool = False
    exclude_uppercase: bool = False
    exclude_lowercase: bool = False
    include_space: bool = False
    require_each_included_type: bool = True

    def __post_init__(self) -> None:
        """Refuse what the service would refuse, before a rotation is begun."""
        if not 1 <= self.length <= 4096:
            raise SettingError(f"PASSWORD_LENGTH is {self.length}; allowed is 1 to 4096.")
        if len(self.exclude_characters) > 4096:
            raise SettingError("EXCLUDE_CHARACTERS has more than 4096 characters.")
        classes = self._classes()
        if not any(classes.values()):
            raise SettingError(
                "EXCLUDE_CHARACTERS and the excluded classes leave no character to make a password of. Exclude fewer."
            )
        if self.require_each_included_type:
            self._check_each(classes)

    def make(self, key: str, source: Source) -> dict[str, str]:
        """One call of GetRandomPassword."""
        options = {
            "PasswordLength": self.length,
            "ExcludeCharacters": self.exclude_characters,
            "ExcludeNumbers": self.exclude_numbers,
            "ExcludePunctuation": self.exclude_punctuation,
            "ExcludeUppercase": self.exclude_uppercase,
            "ExcludeLowercase": self.exclude_lowercase,
            "IncludeSpace": self.include_space,
            "RequireEachIncludedType": self.require_each_included_type,
        }
        return {key: source.random_password(**options)}

    def _classes(self) -> dict[str, set[str]]:
        """The characters that are left of each included class."""
        included = {
            "lowercase letters": "" if self.exclude_lowercase else string.ascii_lowercase,
            "uppercase letters": "" if self.exclude_uppercase else string.ascii_uppercase,
            "numbers": "" if self.exclude_numbers else string.digits,
            "punctuation": "" if self.exclude_punctuation else string.punctuation,
            "space": " " if self.include_space else "",
        }
        return {name: set(chars) - set(self.exclude_characters) for name, chars in included.items() if chars}

    def _check_each(self, classes: Mapping[str, set[str]]) -> None:
        for name, chars in classes.items():
            if not chars:
                raise SettingError(
                    f"EXCLUDE_CHARACTERS leaves none of the {name}, but REQUIRE_EACH_INCLUDED_TYPE asks for one. "
                    "Exclude the whole class, or exclude fewer characters."
                )
        required = len(classes) - ("space" in classes)
        if self.length < required:
            raise SettingError(f"PASSWORD_LENGTH is {self.length}, too short for one of each of {required} classes.")


@dataclass(frozen=True)
class Text:
    """Text made by a function of this process."""

    produce: Callable[[], str]

    def make(self, key: str, _source: Source) -> dict[str, str]:
        """Made here, without a call."""
        return {key: self.produce()}


@dataclass(frozen=True)
class KeyPair:
    """A key pair made by KMS. The private key is PEM of PKCS #8, the public one PEM of SubjectPublicKeyInfo."""

    kms_key: str
    spec: str
    public_key: str | None
    """The key of the secret that gets the public half, if any."""

    def make(self, key: str, source: Source) -> dict[str, str]:
        """One call of GenerateDataKeyPair."""
        private, public = source.key_pair(self.kms_key, self.spec)
        pair = {key: _pem("PRIVATE KEY", private)}
        if self.public_key is not None:
            pair[self.public_key] = _pem("PUBLIC KEY", public)
        return pair


def parse(key: str, spec: object, password: Password) -> Generator:
    """Read one entry of GENERATORS. Raises ``SettingError``, which names the key and what is allowed."""
    if not isinstance(spec, dict):
        raise SettingError(f"GENERATORS: the entry of {key!r} must be an object.")
    kind = spec.get("type")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise SettingError(f"GENERATORS: the type of {key!r} must be one of {', '.join(_PARSERS)}.")
    options = {name: value for name, value in spec.items() if name != "type" and value is not None}
    return parser(key, options, password)


def _parse_password(key: str, options: dict[str, Any], password: Password) -> Generator:
    _refuse_unknown(key, options)
    return password


def _parse_hex(key: str, options: dict[str, Any], _: Password) -> Generator:
    size = _size(key, options)
    return Text(lambda: secrets.token_hex(size))


def _parse_base64(key: str, options: dict[str, Any], _: Password) -> Generator:
    size = _size(key, options)
    return Text(lambda: base64.b64encode(secrets.token_bytes(size)).decode())


def _parse_uuid(key: str, options: dict[str, Any], _: Password) -> Generator:
    _refuse_unknown(key, options)
    return Text(lambda: str(uuid.uuid4()))


def _parse_rsa(key: str, options: dict[str, Any], _: Password) -> Generator:
    bits = _choice(key, options, "bits", _RSA_BITS, 2048)
    return _pair(key, options, f"RSA_{bits}")


def _parse_ec(key: str, options: dict[str, Any], _: Password) -> Generator:
    curve = _choice(key, options, "curve", tuple(_CURVES), "P-256")
    return _pair(key, options, f"ECC_{_CURVES[curve]}")


_PARSERS: dict[str, Callable[[str, dict[str, Any], Password], Generator]] = {
    "password": _parse_password,
    "hex": _parse_hex,
    "base64": _parse_base64,
    "uuid": _parse_uuid,
    "rsa": _parse_rsa,
    "ec": _parse_ec,
}


def _pair(key: str, options: dict[str, Any], spec: str) -> Generator:
    kms_key, public_key = options.pop("kms_key_arn", None), options.pop("public_key", None)
    _refuse_unknown(key, options)
    if not isinstance(kms_key, str) or not kms_key:
        raise SettingError(f"GENERATORS: {key!r} needs kms_key_arn, the symmetric KMS key that makes the pair.")
    if public_key is not None and (not isinstance(public_key, str) or public_key in ("", key)):
        raise SettingError(f"GENERATORS: public_key of {key!r} must name another key of the secret.")
    return KeyPair(kms_key, spec, public_key)


def _size(key: str, options: dict[str, Any]) -> int:
    size = options.pop("bytes", 32)
    _refuse_unknown(key, options)
    if type(size) is not int or not 1 <= size <= MAX_BYTES:
        raise SettingError(f"GENERATORS: bytes of {key!r} must be a whole number from 1 to {MAX_BYTES}.")
    return size


def _choice(key: str, options: dict[str, Any], name: str, allowed: tuple[Any, ...], default: Any) -> Any:
    value = options.pop(name, default)
    if type(value) is not type(default) or value not in allowed:
        raise SettingError(f"GENERATORS: {name} of {key!r} must be one of {', '.join(map(str, allowed))}.")
    return value


def _refuse_unknown(key: str, options: Mapping[str, Any]) -> None:
    if options:
        raise SettingError(
            f"GENERATORS: {key!r} has settings that its type does not know: {', '.join(map(repr, sorted(options)))}."
        )


def _pem(label: str, der: bytes) -> str:
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
