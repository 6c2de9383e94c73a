"""Parquet footers, many at once: row counts, field ids and physical types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from converters.errors import (
    AccessDenied,
    CorruptTable,
    ObjectNotFound,
    PathNotAllowed,
    StorageError,
    UnsupportedTableFeature,
)
from converters.model.snapshot import FieldIds
from converters.storage.base import Storage

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = [
    "Column",
    "Footer",
    "field_id_presence",
    "footer_of",
    "read_footer",
    "read_footers",
    "read_metadata",
    "row_counts",
]

_TAIL = 64 * 2**10
_TRAILER = 8
_READERS = 16
_AT_ONCE = 4_096
_FIELD_ID = b"PARQUET:field_id"


class Column(msgspec.Struct, frozen=True):
    """One place in a file's schema.

    ``field_id`` is None where the file says none; ``physical_type`` (``INT96``, ``BYTE_ARRAY`` …) is None for what has
    members.
    """

    field_id: int | None
    physical_type: str | None


class Footer(msgspec.Struct, frozen=True):
    """What a file says of itself.

    Attributes:
        row_count: Its rows.
        columns: Every place in its schema by its path of names; list and map members are called ``element``, ``key``
            and ``value``, whatever the file calls them.
    """

    row_count: int
    columns: Mapping[tuple[str, ...], Column]

    @property
    def field_ids(self) -> FieldIds:
        """Whether every column has a field id, nested ones included; ``unknown`` when some have."""
        having = [column.field_id is not None for column in self.columns.values()]
        if all(having):
            return "all" if having else "unknown"
        return "unknown" if any(having) else "none"


def row_counts(storage: Storage, paths: Sequence[str], sizes: Sequence[int]) -> pa.Array:
    """The row counts of files, from their footers.

    Args:
        storage: Where the files are.
        paths: Their locations.
        sizes: Their sizes in bytes, as far as is known.

    Raises:
        CorruptTable: A file is missing or no Parquet file; the message names it.
    """
    counts: list[int] = []
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            counts += pool.map(lambda path, size: read_metadata(storage, path, size).num_rows, paths[part], sizes[part])
    return pa.array(counts, pa.int64())


def read_footer(storage: Storage, path: str, size: int) -> Footer:
    """The footer of one file; errors are those of ``row_counts``."""
    return footer_of(read_metadata(storage, path, size))


def read_footers(storage: Storage, paths: Sequence[str], sizes: Sequence[int]) -> Iterator[Footer]:
    """The footers of files, in order; arguments and errors are those of ``row_counts``."""
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(paths), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            yield from pool.map(lambda path, size: read_footer(storage, path, size), paths[part], sizes[part])


def field_id_presence(storage: Storage, paths: Sequence[str], sizes: Sequence[int]) -> FieldIds:
    """Whether all of the files have field ids for all columns, or none for any; else ``unknown``."""
    found: set[FieldIds] = {footer.field_ids for footer in read_footers(storage, paths, sizes)}
    return found.pop() if len(found) == 1 else "unknown"


def read_metadata(storage: Storage, path: str, size: int) -> pq.FileMetaData:
    """The footer of one file as pyarrow has it; errors are those of ``row_counts``."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

    try:
        tail, size = _tail(storage, path, size)
        length = int.from_bytes(tail[-_TRAILER:-4], "little") + _TRAILER
        if length > len(tail):
            if length > size:
                msg = f"The data file '{path}' is cut off: its footer is longer than the file."
                raise CorruptTable(msg)
            tail = storage.get_range(path, size - length, length)
        return pq.read_metadata(pa.BufferReader(tail))
    except ObjectNotFound as error:
        msg = f"The data file '{path}' is missing, but the table lists it."
        raise CorruptTable(msg, hint="Was it vacuumed, or the table copied without it?") from error
    except (pa.ArrowException, OSError) as error:
        msg = f"The footer of the data file '{path}' cannot be read: {str(error)[:200]}"
        raise CorruptTable(msg) from error


def _tail(storage: Storage, path: str, size: int) -> tuple[bytes, int]:
    """The end of a file; its size is asked for only where the one that is given is wrong."""
    tail = _end(storage, path, size)
    if tail.endswith(b"PAR1"):
        return tail, size
    meta = storage.head(path)
    if meta is None:
        msg = f"'{path}' does not exist."
        raise ObjectNotFound(msg)
    tail = storage.get_range(path, max(0, meta.size - _TAIL), min(meta.size, _TAIL)) if meta.size else b""
    if tail.endswith(b"PARE"):
        msg = f"The data file '{path}' is encrypted."
        raise UnsupportedTableFeature(msg, hint="Its footer cannot be read without its keys.")
    if not tail.endswith(b"PAR1"):
        msg = f"The data file '{path}' is no Parquet file, or cut off."
        raise CorruptTable(msg)
    return tail, meta.size


def _end(storage: Storage, path: str, size: int) -> bytes:
    if size <= _TRAILER:
        return b""
    try:
        return storage.get_range(path, max(0, size - _TAIL), min(size, _TAIL))
    except (ObjectNotFound, AccessDenied, PathNotAllowed):
        raise
    except StorageError:
        return b""  # a range beyond the file


def footer_of(metadata: pq.FileMetaData) -> Footer:
    """What a file says of itself, from its footer as pyarrow has it."""
    physical = {
        tuple(metadata.schema.column(n).path.split(".")): metadata.schema.column(n).physical_type
        for n in range(metadata.num_columns)
    }
    leaves = iter(physical.values())
    columns: dict[tuple[str, ...], Column] = {}
    for field in metadata.schema.to_arrow_schema():
        _walk(field, (field.name,), leaves, columns)
    return Footer(metadata.num_rows, columns)


def _walk(
    field: pa.Field, path: tuple[str, ...], leaves: Iterator[str], columns: dict[tuple[str, ...], Column]
) -> None:
    text = (field.metadata or {}).get(_FIELD_ID)
    members = _members(field.type)
    columns[path] = Column(None if text is None else int(text), None if members else next(leaves, None))
    for name, member in members:
        _walk(member, (*path, name), leaves, columns)


def _members(type_: pa.DataType) -> list[tuple[str, pa.Field]]:
    if pa.types.is_struct(type_):
        return [(field.name, field) for field in type_]
    if pa.types.is_map(type_):
        return [("key", type_.key_field), ("value", type_.item_field)]
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return [("element", type_.value_field)]
    return []
