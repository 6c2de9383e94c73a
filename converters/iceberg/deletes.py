"""Recognising row-level deletes (Iceberg spec, "Delete Formats")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from converters.errors import UnsupportedTableFeature
from converters.iceberg.manifest_list_reader import ManifestFile
from converters.iceberg.manifest_reader import CONTENT, FORMAT, PATH, read_entries
from converters.storage.base import Storage

__all__ = ["refuse_deletes"]

_POSITION_DELETES, _EQUALITY_DELETES = 1, 2
_ENTRIES = 10_000


def refuse_deletes(storage: Storage, manifests: Sequence[ManifestFile]) -> None:
    """Refuse manifests that track live deletes; those whose deletes were all removed are harmless.

    Raises:
        UnsupportedTableFeature: There is one; the message names the kind and the file.
        CorruptTable: A manifest cannot be read.
    """
    for entries in read_entries(storage, manifests, _ENTRIES, statistics=False):
        first = entries.table.select([name for name in (CONTENT, PATH, FORMAT) if name in entries.table.column_names])
        raise _refusal(first.slice(0, 1).to_pylist()[0])


def _refusal(entry: dict[str, Any]) -> UnsupportedTableFeature:
    content, path = entry.get(CONTENT), entry[PATH]
    advice = "rewrite_data_files with delete-file-threshold=1"
    if content == _EQUALITY_DELETES:
        kind = "equality deletes"
    elif entry[FORMAT].upper() == "PUFFIN":
        kind = "deletion vectors"
    elif content == _POSITION_DELETES:
        kind, advice = "position deletes", f"{advice}, then rewrite_position_delete_files"
    else:
        kind = f"deletes of the unknown kind {content}"
    return UnsupportedTableFeature(
        f"The table has {kind}, which cannot be carried yet: '{path}'.",
        hint=f"Compact the table first ({advice}).",
    )
