"""The logins of one step: which stored value opens the service, and what to say when none does.

A service may lock a user out after a few wrong passwords, so their number has a bound, and the likely ones come first.
One value that cannot be read or sent, or that the service rejects in whatever way, does not end the search: after an
interrupted rotation the only value that works may be in the version after it.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from .credential import Credential
from .errors import AuthenticationError, ConfigurationError, LockedError, NetworkError, RotationError, SecretError
from .kit.tls import TlsError
from .logs import Log

MOST = "5"
"""Of the setting 'max_logins', for a target that has none."""

_ENDS = (NetworkError, LockedError, TlsError)
"""No other value would do better, and after a lock-out each further login makes it worse."""

_T = TypeVar("_T")


class Logins:
    """What was tried in this step, and why it failed.

    ``problems`` is version => problem, and others add to it what they could not read.
    """

    def __init__(self, most: int, log: Log, problems: dict[str, RotationError]) -> None:
        self._most, self._log, self._problems = most, log, problems

    @property
    def is_spent(self) -> bool:
        """Whether no further login is allowed. What was not sent is not one."""
        return sum(not isinstance(problem, SecretError) for problem in self._problems.values()) >= self._most

    def attempt(self, credential: Credential, log_in: Callable[[Credential], _T]) -> _T | None:
        """What ``log_in`` returns; None when it fails, now or before in this step."""
        if credential.version in self._problems:
            return None
        try:
            return log_in(credential)
        except _ENDS:
            raise
        except RotationError as error:
            problem = _with_hint(error, credential)
        except ValueError as error:  # such as a UnicodeEncodeError of a driver, whose text holds the value
            problem = SecretError(f"It cannot be sent ({type(error).__name__}).")
        self._problems[credential.version] = problem
        self._log.info("A stored value does not log in.", candidate=credential.version, error=type(problem).__name__)
        return None

    def search(self, candidates: Iterable[Credential], log_in: Callable[[Credential], _T], refusal: str) -> _T:
        """What ``log_in`` returns for the first candidate that it accepts.

        Raises an error that begins with ``refusal`` and says what was tried and why each failed.
        """
        for candidate in candidates:
            if self.is_spent:
                break
            found = self.attempt(candidate, log_in)
            if found is not None:
                return found
        raise self._kind()(" ".join([refusal, *self._reasons(), *self._bound()]))

    def _kind(self) -> type[RotationError]:
        """The credential's fault, unless something else stands in the way of one of them, or none was fit to send."""
        problems = self._problems.values()
        if any(isinstance(problem, ConfigurationError) for problem in problems):
            return ConfigurationError
        is_unfit = problems and all(isinstance(problem, SecretError) for problem in problems)
        return SecretError if is_unfit else AuthenticationError

    def _reasons(self) -> Iterable[str]:
        versions: dict[str, list[str]] = {}
        for version, problem in self._problems.items():
            versions.setdefault(str(problem), []).append(version)
        return (f"Version {', '.join(tried)}: {reason}" for reason, tried in versions.items())

    def _bound(self) -> Iterable[str]:
        if self.is_spent:
            yield f"These are the {self._most} logins that 'max_logins' allows: raise it to try older versions."


def _with_hint(problem: RotationError, credential: Credential) -> RotationError:
    hint = credential.white_space if isinstance(problem, AuthenticationError) else ""
    return AuthenticationError(f"{problem}{hint}") if hint else problem
