"""The provider's process, started by Terraform (see ``tools.dev.providers`` for the launcher)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from tf import iface, schema, types
from tf.blocks import SetNestedBlock
from tf.runner import run_provider
from tf.utils import Diagnostics

from tools.dev.archive_standin.contents import archive

_REFUSED = {
    "source_content": types.String(),
    "source_content_filename": types.String(),
    "exclude_symlink_directories": types.Bool(),
}
_OPTIONAL = {
    "source_dir": types.String(),
    "source_file": types.String(),
    "excludes": types.Set(types.String()),
    "output_file_mode": types.String(),
}
_HASHES = ("output_md5", "output_sha", "output_sha256", "output_base64sha256", "output_sha512", "output_base64sha512")


class ArchiveFile(iface.DataSource):  # type: ignore[misc]
    """``data "archive_file"``, as far as this module uses it."""

    def __init__(self, provider: object) -> None:
        """The framework passes the provider, which holds nothing."""

    @classmethod
    def get_name(cls) -> str:
        """The part of the type's name after ``archive_``."""
        return "file"

    @classmethod
    def get_schema(cls) -> schema.Schema:
        """All arguments of the real data source, so that a refusal is ours and says why."""
        text = types.String()
        given = [schema.Attribute(name, text, required=True) for name in ("type", "output_path")]
        optional = [schema.Attribute(name, kind, optional=True) for name, kind in (_OPTIONAL | _REFUSED).items()]
        computed = [schema.Attribute(name, text, computed=True) for name in ("id", *_HASHES)]
        size = schema.Attribute("output_size", types.Number(), computed=True)
        source = schema.Block([schema.Attribute(name, text, required=True) for name in ("content", "filename")])
        return schema.Schema([*given, *optional, *computed, size], block_types=[SetNestedBlock("source", source)])

    def validate(self, diags: Diagnostics, type_name: str, config: dict[str, Any]) -> None:
        """Adds an error for what only the real provider can do."""
        super().validate(diags, type_name, config)
        _refuse(diags, config)

    def read(self, ctx: iface.ReadDataContext, config: dict[str, Any]) -> dict[str, Any] | None:
        """Writes the zip to ``output_path``; returns its size and hashes."""
        _refuse(ctx.diagnostics, config)  # again: values that were unknown at plan are known now
        if ctx.diagnostics.has_errors():
            return None
        data = archive(config)
        path = Path(config["output_path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {**config, **_facts(data)}


def _refuse(diags: Diagnostics, config: dict[str, Any]) -> None:
    for name in _REFUSED:
        if config.get(name) not in (None, types.Unknown):
            diags.add_error(f"the stand-in for hashicorp/archive does not know {name}: use source blocks", path=[name])
    makers = [
        name for name in ("source_dir", "source_file", "source") if config.get(name) not in (None, [], types.Unknown)
    ]
    if len(makers) > 1:
        diags.add_error(f"{' and '.join(makers)} are given: one of them makes the zip", path=[makers[0]])
    if config.get("type") not in ("zip", types.Unknown):
        diags.add_error("the stand-in for hashicorp/archive knows only the type zip", path=["type"])


def _facts(data: bytes) -> dict[str, Any]:
    sha1, sha256, sha512 = (hashlib.new(name, data) for name in ("sha1", "sha256", "sha512"))
    return {
        "id": sha1.hexdigest(),
        "output_size": len(data),
        "output_md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "output_sha": sha1.hexdigest(),
        "output_sha256": sha256.hexdigest(),
        "output_base64sha256": base64.b64encode(sha256.digest()).decode(),
        "output_sha512": sha512.hexdigest(),
        "output_base64sha512": base64.b64encode(sha512.digest()).decode(),
    }


class Archive(iface.Provider):  # type: ignore[misc]
    """The provider: no settings, one data source."""

    def get_model_prefix(self) -> str:
        """The first part of every type's name."""
        return "archive_"

    def full_name(self) -> str:
        """The address under which Terraform looks for the real provider."""
        return "registry.terraform.io/hashicorp/archive"

    def get_provider_schema(self, diags: Diagnostics) -> schema.Schema:
        """No settings."""
        return schema.Schema()

    def validate_config(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        """Nothing to check."""

    def configure_provider(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        """Nothing to set."""

    def get_data_sources(self) -> list[type[iface.DataSource]]:
        """The one data source."""
        return [ArchiveFile]

    def get_resources(self) -> list[type[iface.Resource]]:
        """None."""
        return []


if __name__ == "__main__":
    run_provider(Archive())
