"""The error that an action answers with."""

from __future__ import annotations


class ServiceError(Exception):
    """``code`` is the name that boto3 shows, such as ResourceNotFoundException; the status is always 400.

    A hook of the unit tests' client raises it too, to make the service answer so.
    """

    def __init__(self, code: str, message: str = "Said by the stand-in.") -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
