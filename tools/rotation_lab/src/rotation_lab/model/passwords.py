"""GetRandomPassword."""

from __future__ import annotations

import random
import string

from rotation_lab.model.errors import ServiceError
from rotation_lab.model.secret import Data
from rotation_lab.model.vault import Caller, Request, Vault

_CLASSES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}
_DEFAULT_LENGTH, _LONGEST, _LONGEST_EXCLUSION = 32, 4096, 4096


def get_random_password(vault: Vault, caller: Caller, request: Request) -> Data:
    """GetRandomPassword."""
    return {"RandomPassword": random_password(request, vault.host.random)}


def random_password(request: Request, source: random.Random) -> str:
    """A password; ``ServiceError`` when the request asks for the impossible."""
    length = int(request.get("PasswordLength", _DEFAULT_LENGTH))
    if not 1 <= length <= _LONGEST:
        raise ServiceError("InvalidParameterException", f"PasswordLength must be between 1 and {_LONGEST}.")
    if len(request.get("ExcludeCharacters", "")) > _LONGEST_EXCLUSION:
        raise ServiceError("InvalidParameterException", f"ExcludeCharacters must be at most {_LONGEST_EXCLUSION} long.")
    pools = _pools(request)
    each = request.get("RequireEachIncludedType", True)
    _check(pools, length if each else None)
    picked = [source.choice(pool) for pool in pools[:length]] if each else []
    picked += source.choices("".join(pools), k=length - len(picked))
    source.shuffle(picked)
    return "".join(picked)


def _pools(request: Request) -> list[str]:
    excluded = set(request.get("ExcludeCharacters", ""))
    included = [characters for flag, characters in _CLASSES.items() if not request.get(flag)]
    included += [" "] if request.get("IncludeSpace") else []
    return ["".join(c for c in characters if c not in excluded) for characters in included]


def _check(pools: list[str], length: int | None) -> None:
    """``length`` is None when not every included type has to be there."""
    if not any(pools):
        raise ServiceError("InvalidParameterException", "The exclusions leave no characters for the password.")
    if length is None:
        return
    if not all(pools):
        raise ServiceError("InvalidParameterException", "ExcludeCharacters leaves no character of an included type.")
    if len([pool for pool in pools if pool != " "]) > length:  # a space is there if there is room for it
        raise ServiceError("InvalidParameterException", "PasswordLength is too short for one character of each type.")
