"""Finding what a table's log says of some of its files, without reading the entries of all.

Delta protocol, "Action Reconciliation".  A file is meant by its location: its log may spell the path as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.checkpoints import CheckpointReader
from converters.delta.log.commits import CommitReader, Lines
from converters.delta.log.file_actions import VECTOR, VECTOR_TAG
from converters.delta.log.paths import locations
from converters.errors import CorruptTable

__all__ = ["ENTRY", "Wanted", "as_entries", "search", "unique_id"]

_TEXTS = pa.map_(pa.string(), pa.string())
ENTRY = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("log_path", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("partition_values", _TEXTS),
        pa.field("vector", VECTOR),
        pa.field("vector_tag", pa.string()),
    ]
)
"""A live file as a table's log has it: ``path`` is its location, ``log_path`` its path as written; see ``VECTOR_TAG``.
"""

_PLAIN_END = r"(?P<end>[A-Za-z0-9._~-]{1,24})$"
"""What of a path nobody has to encode."""

_USUAL = r'^\{"(?:add|remove)":\{"path":"(?P<path>[^"\\]+)"'
"""How a line about a file begins, as all known writers have it."""


class _File(msgspec.Struct, rename="camel"):
    path: str
    size: int | None = None
    partition_values: Mapping[str, str | None] | None = None
    deletion_vector: Mapping[str, Any] | None = None
    tags: Mapping[str, Any] | None = None


class _Line(msgspec.Struct):
    add: _File | None = None
    remove: _File | None = None


_decoder = msgspec.json.Decoder(_Line)
_Key = tuple[str, str]


def search(
    commits: CommitReader, checkpoint: CheckpointReader | None, table_location: str, wanted: pa.Array
) -> pa.Table:
    """The live files at some locations, as ``ENTRY``; those that are not live are left out.

    Args:
        commits: The segment's commits.
        checkpoint: The segment's checkpoint, if it has one.
        table_location: The table's.
        wanted: Canonical locations.

    Raises:
        CorruptTable: A part of the log is missing or not understood.
    """
    live: dict[str, _File] = {}
    decided: set[_Key] = set()
    meant = Wanted(wanted, table_location)
    for lines in commits.newest_first():
        for location, is_add, file in _actions(lines, meant):
            key = (location, unique_id(file.deletion_vector))
            if key not in decided and is_add:
                live[location] = file
            decided.add(key)
    found = [_table(live)]
    missing = wanted.filter(pc.invert(pc.is_in(wanted, value_set=pa.array(list(live), pa.string()))))
    if checkpoint is not None and len(missing):
        found += _older(checkpoint, Wanted(missing, table_location), decided)
    return pa.concat_tables(found).combine_chunks()


class Wanted:
    """Files that are looked for, by any spelling of their paths.

    To understand a path costs more than to read it.  So only those are that end as one of the files does, or whose end
    may be percent-encoded although it need not be.
    """

    def __init__(self, wanted: pa.Array, table_location: str) -> None:
        self.table_location = table_location
        self._wanted = wanted
        plain = pc.struct_field(pc.extract_regex(wanted, _PLAIN_END), "end")
        self._length = pc.min(pc.binary_length(plain)).as_py() if len(plain) and not plain.null_count else 0
        self._ends = self._end(wanted, self._length)

    def mask(self, paths: pa.Array) -> np.ndarray:
        """Which of some paths, as they are written, are meant."""
        found = pc.is_valid(paths)
        if self._length:
            found = pc.is_in(self._end(paths, self._length), value_set=self._ends)
            # One more byte may be the last digit of what is encoded, or the one before it.
            encoded = pc.match_substring(self._end(paths, self._length + 2), "%")
            found = pc.or_(found, pc.fill_null(encoded, fill_value=False))
        mask = np.array(found)
        rows = np.flatnonzero(mask)
        if not len(rows):
            return mask
        mask[rows] = np.asarray(
            pc.is_in(locations(paths.take(pa.array(rows)), self.table_location), value_set=self._wanted)
        )
        return mask

    @staticmethod
    def _end(paths: pa.Array, length: int) -> pa.Array:
        return pc.binary_slice(paths.cast(pa.binary()), -length) if length else paths


def _actions(lines: Lines, wanted: Wanted) -> Iterator[tuple[str, bool, _File]]:
    """The actions about wanted files, newest first: the location, whether it is an ``add``, and the action."""
    starts = lines.starts()
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(lines.data)]
    text = pa.Array.from_buffers(pa.large_binary(), len(starts) - 1, buffers)
    try:
        path = pc.struct_field(pc.extract_regex(text, _USUAL), "path").cast(pa.string())
    except pa.ArrowInvalid as error:
        paths = ", ".join(path for _, path in lines.origins[:3])
        raise CorruptTable("A commit is not understood: it is not UTF-8.", hint=f"One of: {paths}") from error
    usual = np.asarray(path.is_valid())
    hits = np.zeros(len(path), dtype=np.bool_)
    hits[usual] = wanted.mask(path.drop_null())
    for row in np.flatnonzero(hits | ~usual)[::-1].tolist():
        line = lines.data[starts[row] : starts[row + 1]]
        if not hits[row] and b'"add"' not in line and b'"remove"' not in line:
            continue
        try:
            action = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            msg = f"'{lines.path_of(int(starts[row]))}' has an action that is not understood: {error}."
            raise CorruptTable(msg) from error
        file = action.add or action.remove
        if file is None:
            continue
        path = pa.array([file.path])
        if hits[row] or wanted.mask(path)[0]:
            yield locations(path, wanted.table_location)[0].as_py(), action.add is not None, file


def _older(checkpoint: CheckpointReader, wanted: Wanted, decided: set[_Key]) -> Iterator[pa.Table]:
    """What the checkpoint lists of the wanted files and no later commit has decided."""
    for files in checkpoint.search(wanted.mask):
        found = as_entries(files.append_column("log_path", files["path"]), wanted.table_location)
        if decided:
            ids = pc.fill_null(files["deletion_vector"], "").to_pylist()
            keys = zip(found["path"].to_pylist(), ids, strict=True)
            found = found.filter(pa.array([key not in decided for key in keys], pa.bool_()))
        yield found


def as_entries(files: pa.Table, table_location: str | None = None) -> pa.Table:
    """``ENTRY`` from the columns of ``file_columns`` and ``log_path``.

    Args:
        files: The files.
        table_location: The table's, where ``path`` is not a location yet.
    """
    columns = {name: files[name] for name in ENTRY.names if name in files.column_names}
    if table_location is not None:
        columns["path"] = locations(files["path"], table_location)
    columns.setdefault("partition_values", pa.nulls(len(files), _TEXTS))
    return pa.table({field.name: columns[field.name] for field in ENTRY}).cast(ENTRY)


def _table(live: Mapping[str, _File]) -> pa.Table:
    files = list(live.values())
    values = [None if each.partition_values is None else list(each.partition_values.items()) for each in files]
    tags = [(each.tags or {}).get(VECTOR_TAG) for each in files]
    columns = [
        pa.array(list(live), pa.string()),
        pa.array([each.path for each in files], pa.string()),
        pa.array([each.size for each in files], pa.int64()),
        pa.array(values, _TEXTS),
        pa.array([each.deletion_vector for each in files], VECTOR),
        pa.array([tag if isinstance(tag, str) else None for tag in tags], pa.string()),
    ]
    return pa.table(columns, schema=ENTRY)


def unique_id(vector: Mapping[str, Any] | None) -> str:
    """The unique id of a deletion vector; empty where there is none.

    Delta protocol, "Deletion Vector Descriptor Schema", "Derived Fields".
    """
    if vector is None:
        return ""
    offset = vector.get("offset")
    return f"{vector.get('storageType')}{vector.get('pathOrInlineDv')}" + ("" if offset is None else f"@{offset}")
