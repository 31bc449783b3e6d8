"""Every way in which a rotation is refused or fails, each a class of its own.

The class name reaches the operator as Lambda's ``errorType``, the message as ``errorMessage``. A message says what is
wrong and what to do; it never holds a value of a secret. The four bases below are the kinds of fault: what the
operator fixes is the configuration, the secret, the credential or the network.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RotationError(Exception):
    """A rotation cannot go on. The message is safe to log."""


# The four kinds.


class ConfigurationError(RotationError):
    """The function, its role or its settings are wrong: trying again does not help."""


class SecretError(RotationError):
    """The secret or its versions are not in a state that can be rotated."""


class AuthenticationError(RotationError):
    """The service was reached and refused the credential."""


class LockedError(AuthenticationError):
    """The service has locked the user, or rejects all logins for a while: a further one would make it worse."""


class NetworkError(RotationError):
    """The service, or Secrets Manager, was not reached, or did not answer in time."""


# Event and settings.


class MalformedEventError(ConfigurationError):
    """The event is not one that Secrets Manager sends."""


class UnknownStepError(ConfigurationError):
    """The event names a step that is not one of the four."""


class SettingError(ConfigurationError):
    """An environment variable of the function, or a setting of the target, cannot be used."""


class AccessDeniedError(ConfigurationError):
    """The function's role, or a key policy, does not allow a call."""


class ValueRefusedError(ConfigurationError):
    """The service's own rules reject the pending value: to send the same one again does not help."""


class DeadlineError(NetworkError):
    """Too little of the function's time is left to start another call."""


# Secret and versions.


class SecretBinaryError(SecretError):
    """The secret holds binary data."""


class NotJsonError(SecretError):
    """Keys are to be rotated, but the secret is not JSON."""


class NotAnObjectError(SecretError):
    """Keys are to be rotated, but the secret is JSON of another shape."""


class NestedTooDeeplyError(SecretError):
    """The secret is JSON that Python cannot read without exhausting its stack."""


class JsonObjectError(SecretError):
    """Plain text is to be rotated, but the secret is a JSON object, which would be lost."""


class KeyMissingError(SecretError):
    """A key to rotate is not in the secret."""


class KeyNotStringError(SecretError):
    """A key to rotate holds something else than a string."""


class DuplicateKeyError(SecretError):
    """The JSON object has a key twice, so that readers may disagree about its value."""


class ValueTooLargeError(SecretError):
    """The new value is larger than Secrets Manager stores."""


class NoValueError(SecretError):
    """A version that has to have a value has none."""


class UnknownVersionError(SecretError):
    """The event's token is not a version of the secret."""


class NotPendingError(SecretError):
    """The event's token is a version that is not AWSPENDING."""


class RotationDisabledError(SecretError):
    """Rotation is not enabled for the secret."""


class PendingMismatchError(SecretError):
    """The pending value is not the current one with new values: it would undo a change, or is no such value at all."""


class RollbackError(SecretError):
    """The version with the label ROLLBACK cannot be taken again."""


class IdentityMismatchError(SecretError):
    """The pending value names another host or user than the current one."""


class AwsError(RotationError):
    """An AWS service answered with an error."""


class StoreError(AwsError):
    """Secrets Manager answered with an error."""


class TargetError(RotationError):
    """A target failed in a way that it does not explain itself."""


class DiagnosisError(RotationError):
    """A diagnosis that was to raise has found secrets that do not rotate as they should."""


class InternalError(RotationError):
    """A defect of this function: only the class and the place of the exception are shown."""


@contextmanager
def explained(explain: Callable[[Exception], RotationError], *kinds: type[Exception]) -> Iterator[None]:
    """Raise what ``explain`` makes of an exception of ``kinds``, whose own text and arguments may hold a value.

    So the exception is not chained either: neither as the cause, nor as the context.
    """
    try:
        yield
    except kinds as error:
        problem = explain(error)
        try:
            raise problem from None
        finally:
            problem.__context__ = None
