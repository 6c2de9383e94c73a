"""Files that were removed not long ago, which a checkpoint must remember (Delta protocol, "Checkpoints").

Vacuum leaves a removed file alone until its tombstone expires; without one it takes the file for garbage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from converters.delta.log.commits import CommitReader, lines_with
from converters.delta.log.entry_search import unique_id
from converters.delta.log.file_actions import unique_ids
from converters.delta.writing.base import Base
from converters.delta.writing.file_actions import REMOVE_TYPE
from converters.errors import CorruptTable
from converters.storage.base import Storage

__all__ = ["Tombstones"]

_MEMBERS = ("path", "deletionTimestamp", "partitionValues", "size", "deletionVector")
_RETENTION_KEY = "delta.deletedFileRetentionDuration"
_INTERVAL = re.compile(r"^(?:interval\s+)?(\d{1,9})\s+(second|minute|hour|day|week)s?$", re.IGNORECASE)
_MILLIS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}


class _Remove(msgspec.Struct, rename="camel"):
    path: str
    deletion_timestamp: int | None = None
    partition_values: dict[str, str | None] | None = None
    size: int | None = None
    deletion_vector: dict[str, Any] | None = None


class _Line(msgspec.Struct):
    remove: _Remove | None = None


_decoder = msgspec.json.Decoder(_Line)


class Tombstones:
    """The tombstones of a table that a checkpoint of it carries on."""

    def __init__(self, storage: Storage, base: Base, now: int) -> None:
        """Read those that have not expired.

        Args:
            storage: Where the table's log is.
            base: The table.
            now: Milliseconds since the epoch.

        Raises:
            CorruptTable: The log is not understood.
        """
        oldest = now - _retention(base.state.metadata.properties)
        self._found: dict[str, dict[str, Any]] = {}
        for remove in _removes(storage, base):
            if remove.deletion_timestamp is not None and remove.deletion_timestamp >= oldest:
                values = remove.partition_values
                action = {
                    "path": remove.path,
                    "deletionTimestamp": remove.deletion_timestamp,
                    "dataChange": False,
                    "extendedFileMetadata": values is not None and remove.size is not None,
                    "partitionValues": None if values is None else list(values.items()),
                    "size": remove.size,
                    "deletionVector": remove.deletion_vector,
                }
                self._found.setdefault(_key(remove), action)
        self._keys = pa.array(list(self._found), pa.string())

    def forget(self, path: pa.Array, vector: pa.StructArray) -> None:
        """Drop those of files that need none: they are live, or get a new one.

        Args:
            path: As in the log.
            vector: The files' deletion vectors, as ``VECTOR``.
        """
        if not self._found:
            return
        keys = path
        if vector.null_count < len(vector):
            keys = pc.coalesce(pc.binary_join_element_wise(path, unique_ids(vector), "\0"), path)
        for key in keys.filter(pc.is_in(keys, value_set=self._keys)).to_pylist():
            self._found.pop(key, None)

    def column(self) -> pa.StructArray:
        """Those that are left, as a checkpoint's column ``remove``."""
        return pa.array(list(self._found.values()), REMOVE_TYPE)


def _key(remove: _Remove) -> str:
    vector = unique_id(remove.deletion_vector)
    return f"{remove.path}\0{vector}" if vector else remove.path


def _removes(storage: Storage, base: Base) -> Iterator[_Remove]:
    commits = CommitReader(storage, [each.file for each in base.segment.commits])
    for lines in commits.newest_first():
        for start, line in lines_with(lines, b'"remove"'):
            try:
                action = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                raise CorruptTable(
                    f"'{lines.path_of(start)}' has an action that is not understood: {error}."
                ) from error
            if action.remove is not None:
                yield action.remove
    checkpoint = base.segment.checkpoint
    if checkpoint is None or checkpoint.kind != "parquet":
        return
    for file in checkpoint.files:
        with storage.open(file.path) as source:
            yield from _from_parquet(pq.ParquetFile(source), file.path)


def _from_parquet(parquet: pq.ParquetFile, path: str) -> Iterator[_Remove]:
    members = [field.name for field in parquet.schema_arrow.field("remove").type] if _has_removes(parquet) else []
    wanted = [each for each in _MEMBERS if each in members]
    if "path" not in wanted:
        return
    try:
        for batch in parquet.iter_batches(columns=[f"remove.{each}" for each in wanted]):
            rows = batch.column("remove")
            for row in rows.filter(pc.is_valid(pc.struct_field(rows, "path"))).to_pylist():
                values = row.get("partitionValues")
                yield _Remove(
                    row["path"],
                    row.get("deletionTimestamp"),
                    None if values is None else dict(values),
                    row.get("size"),
                    row.get("deletionVector"),
                )
    except (pa.ArrowException, OSError) as error:
        raise CorruptTable(f"The checkpoint file '{path}' cannot be read: {str(error)[:200]}") from error


def _has_removes(parquet: pq.ParquetFile) -> bool:
    return "remove" in parquet.schema_arrow.names


def _retention(properties: Mapping[str, str]) -> int:
    match = _INTERVAL.match(properties.get(_RETENTION_KEY, "interval 1 week").strip())
    # An interval that we do not read is taken for long: a tombstone too many does no harm.
    return int(match[1]) * _MILLIS[match[2].lower()] if match else 366 * _MILLIS["day"]
