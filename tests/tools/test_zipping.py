"""The zip writer: the same bytes for the same entries."""

from __future__ import annotations

import io
import random
import zipfile

from rotation_lab.zipping import zip_bytes

ENTRIES: dict[str, str | bytes] = {"b/é.py": "print('ü')\n" * 400, "a.py": "", "Z.json": b"{}", "b.py": "x"}


def test_the_entries_are_sorted_by_name_and_readable_by_all() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_bytes(ENTRIES))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["Z.json", "a.py", "b.py", "b/é.py"]
        assert archive.read("b/é.py").decode() == ENTRIES["b/é.py"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_same_entries_in_any_order_give_the_same_bytes() -> None:
    shuffled = dict(random.Random(1).sample(list(ENTRIES.items()), len(ENTRIES)))
    assert zip_bytes(shuffled) == zip_bytes(ENTRIES)
