"""The function's password settings, which hold for every password that it generates."""

import string
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import SettingError


@dataclass(frozen=True)
class Password:
    """What GetRandomPassword is asked for, https://docs.aws.amazon.com/secretsmanager/latest/apireference/."""

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
                "EXCLUDE_CHARACTERS, EXCLUDE_LOWERCASE, EXCLUDE_UPPERCASE, EXCLUDE_NUMBERS and EXCLUDE_PUNCTUATION "
                "leave no characters to generate a password from. Exclude fewer."
            )
        if self.require_each_included_type:
            self._check_each(classes)

    def options(self) -> dict[str, object]:
        """The parameters of GetRandomPassword."""
        return {
            "PasswordLength": self.length,
            "ExcludeCharacters": self.exclude_characters,
            "ExcludeNumbers": self.exclude_numbers,
            "ExcludePunctuation": self.exclude_punctuation,
            "ExcludeUppercase": self.exclude_uppercase,
            "ExcludeLowercase": self.exclude_lowercase,
            "IncludeSpace": self.include_space,
            "RequireEachIncludedType": self.require_each_included_type,
        }

    def misfits(self, value: str) -> list[str]:
        """What a value has that one generated now would not; empty for one that could have been."""
        classes, found = self._classes(), set(value)
        missing = [name for name, chars in classes.items() if name != "space" and not chars & found]
        reasons = {
            f"it has {len(value)} characters and not {self.length}": len(value) != self.length,
            "it has characters that are excluded now": bool(found - set().union(*classes.values())),
            f"it has no {' and no '.join(missing)}": self.require_each_included_type and bool(missing),
        }
        return [reason for reason, holds in reasons.items() if holds]

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
