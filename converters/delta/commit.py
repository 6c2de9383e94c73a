"""Reading JSON commits: their lines newest first, and the file actions in them as Arrow (Delta protocol, "Actions").

A line is an action.  Files are read in pieces, so that neither a commit of a gigabyte nor ten thousand small ones need
more memory than a piece.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.engine import Shape, json_shape, query
from converters.errors import CorruptTable, LimitExceeded, ObjectNotFound
from converters.storage.base import METADATA_LIMIT, ObjectMeta, Storage

if TYPE_CHECKING:
    import duckdb

__all__ = ["CommitReader", "Lines", "file_actions", "file_columns", "lines_with", "vector_ids"]

_PIECE = 16 * 2**20
_KEPT = 64 * 2**20
_READERS = 16

_DELETION_VECTOR: Shape = {"storageType": "VARCHAR", "pathOrInlineDv": "VARCHAR", "offset": "BIGINT"}
_KEY: dict[str, Shape] = {"path": "VARCHAR", "deletionVector": _DELETION_VECTOR}
_FILE: dict[str, Shape] = {"size": "BIGINT", "modificationTime": "BIGINT"}
_CONTENT: dict[str, Shape] = {"stats": "VARCHAR", "partitionValues": "MAP(VARCHAR,VARCHAR)"}


class Lines(msgspec.Struct, frozen=True):
    """A piece of the log: whole lines, older before newer.

    Attributes:
        data: The lines' bytes.
        origins: The byte at which each commit file begins in ``data``, with its path.
    """

    data: bytes
    origins: tuple[tuple[int, str], ...]

    def path_of(self, position: int) -> str:
        """The commit file that a byte of ``data`` came from."""
        return next(path for start, path in reversed(self.origins) if start <= position)


class CommitReader:
    """Reads the commits of one segment; small ones are kept, because they are asked for twice."""

    def __init__(self, storage: Storage, files: Sequence[ObjectMeta]) -> None:
        """Take the files in ascending order of their versions; nothing is read yet."""
        self._storage = storage
        self._files = files
        self._kept: dict[str, bytes] = {}
        self._room = _KEPT

    def newest_first(self) -> Iterator[Lines]:
        """All lines in pieces, newest piece first; within a piece the newest line is the last.

        Raises:
            CorruptTable: A commit disappeared.
            LimitExceeded: A line is larger than any we read.
        """
        group: list[ObjectMeta] = []
        size = 0
        for file in reversed(self._files):
            if group and size + file.size > _PIECE:
                yield self._together(group)
                group, size = [], 0
            if file.size > _PIECE:
                yield from _backwards(self._storage, file)
            else:
                group.append(file)
                size += file.size
        if group:
            yield self._together(group)

    def _together(self, newest_first: list[ObjectMeta]) -> Lines:
        origins: list[tuple[int, str]] = []
        pieces: list[bytes] = []
        position = 0
        files = newest_first[::-1]
        for file, data in zip(files, self._read(files), strict=True):
            piece = data if data.endswith(b"\n") else data + b"\n"
            origins.append((position, file.path))
            pieces.append(piece)
            position += len(piece)
        return Lines(b"".join(pieces), tuple(origins))

    def _read(self, files: list[ObjectMeta]) -> list[bytes]:
        missing = [file for file in files if file.path not in self._kept]
        found = dict(zip((file.path for file in missing), self._fetch(missing), strict=True))
        for path, data in found.items():
            if len(data) <= self._room:
                self._kept[path] = data
                self._room -= len(data)
        return [found[file.path] if file.path in found else self._kept[file.path] for file in files]

    def _fetch(self, files: list[ObjectMeta]) -> list[bytes]:
        few = len(files) <= 2 or all(file.path.startswith("file:") for file in files[:1])
        if few:
            return [_get(self._storage, file) for file in files]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda file: _get(self._storage, file), files))


def _get(storage: Storage, file: ObjectMeta) -> bytes:
    try:
        return storage.get(file.path)
    except ObjectNotFound as error:
        msg = f"The commit '{file.path}' disappeared while the log was read."
        raise CorruptTable(msg, hint="Is the log being cleaned up? Try again.") from error


def _backwards(storage: Storage, file: ObjectMeta) -> Iterator[Lines]:
    """The pieces of one large file, last piece first."""
    end, carried, size = file.size, b"", _PIECE
    while end > 0:
        start = max(0, end - size)
        try:
            data = storage.get_range(file.path, start, end - start) + carried
        except ObjectNotFound as error:
            msg = f"The commit '{file.path}' disappeared while the log was read."
            raise CorruptTable(msg, hint="Is the log being cleaned up? Try again.") from error
        if start > 0:
            cut = data.find(b"\n") + 1
            if cut in {0, len(data)}:
                carried, end, size = data, start, size * 2
                if len(carried) > METADATA_LIMIT:
                    msg = f"'{file.path}' has a line of more than {METADATA_LIMIT:,} bytes."
                    raise LimitExceeded(msg)
                continue
            carried, data = data[:cut], data[cut:]
        yield Lines(data, ((0, file.path),))
        end, size = start, _PIECE


def lines_with(lines: Lines, needle: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that contain ``needle``, in order, each with its place in ``lines.data``."""
    data = lines.data
    position = data.find(needle)
    while position >= 0:
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        end = len(data) if end < 0 else end
        yield start, data[start:end]
        position = data.find(needle, end)


def file_actions(connection: duckdb.DuckDBPyConnection, lines: Lines, *, content: bool) -> pa.Table:
    """The ``add`` and ``remove`` actions of some lines, in order.

    Args:
        connection: Parses the JSON.
        lines: Whole lines.
        content: Also read what only those need who look into the files: statistics and partition values.

    Returns:
        The columns of ``file_columns``, and ``is_add``; size and what follows it are null for a remove.

    Raises:
        CorruptTable: A line is no JSON, or an action lacks its path or size.
    """
    import duckdb  # noqa: PLC0415 - the connection that was given has loaded it

    shape = json_shape({"add": _KEY | _FILE | (_CONTENT if content else {}), "remove": _KEY})
    sql = f"SELECT position, from_json(line, {shape}) AS action FROM lines"  # noqa: S608 - no outside text in it
    try:
        found = query(connection, sql, lines=_line_table(lines))
    except (duckdb.Error, UnicodeError) as error:
        raise _malformed(lines, error) from error
    action = found["action"].combine_chunks()
    add, remove = pc.struct_field(action, [0]), pc.struct_field(action, [1])
    is_add = pc.is_valid(add)
    wanted = pc.or_(is_add, pc.is_valid(remove))
    columns = file_columns(add, add.type)
    columns["path"] = pc.coalesce(columns["path"], pc.struct_field(remove, "path"))
    columns["deletion_vector"] = pc.coalesce(columns["deletion_vector"], vector_ids(remove))
    table = pa.table({"is_add": is_add, **columns})
    broken = pc.and_(wanted, pc.or_(pc.is_null(table["path"]), pc.and_(is_add, pc.is_null(table["size"]))))
    if pc.any(broken).as_py():
        position = found.filter(broken)["position"][0].as_py()
        msg = f"'{lines.path_of(position)}' has an action without a path or size."
        raise CorruptTable(msg)
    return table if pc.all(wanted).as_py() else table.filter(wanted)


def file_columns(add: pa.StructArray, members: Iterable[pa.Field]) -> dict[str, pa.Array]:
    """The content of ``add`` actions, in JSON or Parquet alike, as columns.

    Args:
        add: The actions.
        members: What to read of them.

    Returns:
        ``path`` (as written), ``deletion_vector`` (its unique id, or null), ``size``, ``modified_at``, and as far as
        they were asked for ``partition_values`` (a map), ``stats`` (text) and ``stats_parsed`` (a struct).
    """
    there = {field.name for field in members}
    columns = {"path": _member(add, "path", pa.string(), there), "deletion_vector": vector_ids(add)}
    columns["size"] = _member(add, "size", pa.int64(), there)
    columns["modified_at"] = _member(add, "modificationTime", pa.int64(), there)
    if "partitionValues" in there:
        columns["partition_values"] = _member(add, "partitionValues", pa.map_(pa.string(), pa.string()), there)
    if "stats" in there:
        columns["stats"] = _member(add, "stats", pa.string(), there)
    if "stats_parsed" in there:
        columns["stats_parsed"] = pc.struct_field(add, "stats_parsed")
    return columns


def _member(add: pa.StructArray, name: str, type_: pa.DataType, there: Container[str]) -> pa.Array:
    if name not in there:
        return pa.nulls(len(add), type_)
    values = pc.struct_field(add, name)
    return values if values.type == type_ else values.cast(type_)


def vector_ids(actions: pa.StructArray) -> pa.Array:
    """Unique ids of the deletion vectors of adds or removes (Delta protocol, "Deletion Vectors"); null where none."""
    if actions.type.get_field_index("deletionVector") < 0:
        return pa.nulls(len(actions), pa.string())
    vector = pc.struct_field(actions, "deletionVector")
    if vector.null_count == len(actions):
        return pa.nulls(len(actions), pa.string())
    kind, place, offset = (pc.struct_field(vector, each) for each in ("storageType", "pathOrInlineDv", "offset"))
    at = pc.binary_join_element_wise("@", offset.cast(pa.string()), "")
    return pc.binary_join_element_wise(kind, place, pc.fill_null(at, ""), "")


def _line_table(lines: Lines) -> pa.Table:
    data = np.frombuffer(lines.data, np.uint8)
    ends = np.flatnonzero(data == ord("\n")) + 1
    if len(data) and (not len(ends) or ends[-1] != len(data)):
        ends = np.append(ends, len(data))
    offsets = np.concatenate([np.zeros(1, np.int64), ends.astype(np.int64)])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(lines.data)]
    text = pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)
    table = pa.table({"position": pa.array(offsets[:-1]), "line": text})
    odd = np.flatnonzero(data[offsets[:-1]] != ord("{"))
    if not len(odd):
        return table
    keep = np.ones(len(table), dtype=bool)
    for row in odd.tolist():
        line = lines.data[offsets[row] : offsets[row + 1]].strip()
        keep[row] = line.startswith(b"{")
        if line and not keep[row]:
            msg = f"'{lines.path_of(int(offsets[row]))}' is not understood: a line is no JSON object."
            raise CorruptTable(msg)
    return table.filter(pa.array(keep))


def _malformed(lines: Lines, error: Exception) -> CorruptTable:
    """Find the line that is no JSON."""
    start = 0
    for line in lines.data.splitlines(keepends=True):
        try:
            if line.strip():
                msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as found:
            return CorruptTable(f"'{lines.path_of(start)}' is not understood: a line is no JSON ({found}).")
        start += len(line)
    paths = ", ".join(path for _, path in lines.origins[:3])
    return CorruptTable(f"A commit is not understood: {str(error)[:200]}.", hint=f"One of: {paths}")
