"""A target that remembers what it was given."""

from typing import Any

from secret_rotation.target import Context, Credential


class Recorder:
    """A target with every function; it remembers the contexts that it was given."""

    def __init__(self) -> None:
        self.contexts: dict[str, list[Context]] = {}
        self.issued: object = {}

    def create_secret(self, context: Context) -> Any:
        self._note("create_secret", context)
        return self.issued

    def set_secret(self, context: Context) -> None:
        self._note("set_secret", context)

    def test_secret(self, context: Context) -> None:
        self._note("test_secret", context)

    def finish_secret(self, context: Context) -> None:
        self._note("finish_secret", context)

    def identity(self, credential: Credential) -> dict[str, str]:
        return {name: credential.get(name) or "" for name in ("host", "username")}

    def _note(self, name: str, context: Context) -> None:
        list(context.candidates())
        self.contexts.setdefault(name, []).append(context)
