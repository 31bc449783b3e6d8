"""The error that an API action answers with."""

from __future__ import annotations


class ApiError(Exception):
    """``code`` is the name that boto3 shows, such as ResourceNotFoundException; the status is always 400."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message
