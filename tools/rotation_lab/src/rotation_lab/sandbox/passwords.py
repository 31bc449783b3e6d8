"""GetRandomPassword."""

from __future__ import annotations

import secrets
import string
from typing import Any

from rotation_lab.sandbox.errors import ApiError

_CLASSES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}
_DEFAULT_LENGTH, _LONGEST, _LONGEST_EXCLUSION = 32, 4096, 4096


def random_password(request: dict[str, Any]) -> dict[str, str]:
    """The answer to GetRandomPassword; ``ApiError`` when the request asks for the impossible."""
    length = int(request.get("PasswordLength", _DEFAULT_LENGTH))
    if not 1 <= length <= _LONGEST:
        raise ApiError("InvalidParameterException", f"PasswordLength must be between 1 and {_LONGEST}.")
    if len(request.get("ExcludeCharacters", "")) > _LONGEST_EXCLUSION:
        raise ApiError("InvalidParameterException", f"ExcludeCharacters must be at most {_LONGEST_EXCLUSION} long.")
    pools = _pools(request)
    each = request.get("RequireEachIncludedType", True)
    _check(pools, length if each else None)
    picked = [secrets.choice(pool) for pool in pools] if each else []
    characters = "".join(pools)
    picked += [secrets.choice(characters) for _ in range(length - len(picked))]
    secrets.SystemRandom().shuffle(picked)
    return {"RandomPassword": "".join(picked)}


def _pools(request: dict[str, Any]) -> list[str]:
    excluded = set(request.get("ExcludeCharacters", ""))
    included = [characters for flag, characters in _CLASSES.items() if not request.get(flag)]
    included += [" "] if request.get("IncludeSpace") else []
    return ["".join(c for c in characters if c not in excluded) for characters in included]


def _check(pools: list[str], length: int | None) -> None:
    """``length`` is None when not every included type has to be there."""
    if not any(pools):
        raise ApiError("InvalidParameterException", "The exclusions leave no characters for the password.")
    if length is None:
        return
    if not all(pools):
        raise ApiError("InvalidParameterException", "ExcludeCharacters leaves no character of an included type.")
    if len(pools) > length:
        raise ApiError("InvalidParameterException", "PasswordLength is too short for one character of each type.")
