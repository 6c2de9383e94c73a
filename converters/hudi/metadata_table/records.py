"""Encoding the records of the metadata table, for many files at once; their schemas stand in ``schemas``.

A record's key is not written into the record, but is the HFile's key; readers put it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import VALUE, add_tag, add_text, numbers_of, presence
from converters.avro.writer import EMPTY, RowJoiner, avro_bytes, varint, varints
from converters.hudi.metadata_table.bounds import add_bound, indexed
from converters.hudi.metadata_table.keys import FileKeys, column_key, partition_key

__all__ = [
    "ColumnStatistics",
    "column_stats_records",
    "column_stats_tombstones",
    "files_value",
    "partitions_value",
    "sorted_records",
]

_PARTITION_LIST, _FILES, _COLUMN_STATS = 1, 2, 3
"""Values of the field ``type`` (``MetadataPartitionType``)."""

_ENTRIES_AT_ONCE = 1_000_000
_NO_KEY = avro_bytes(b"")
_TRUE, _FALSE = b"\x01", b"\x00"
_STATISTICS_HEAD = _NO_KEY + varint(_COLUMN_STATS) + EMPTY + VALUE
_NO_SIZES = (VALUE + varint(0)) * 2


class ColumnStatistics(msgspec.Struct, frozen=True):
    """What is known of a column in each of some files.

    Attributes:
        column: Its name, with dots where it is nested.
        value_count: Number of values, nulls among them; int64, null where it is not known.
        null_count: Number of nulls; the same.
        lower: Lower bounds, typed as the column; null where there is none.  Of a type that Hudi has no wrapper for, or
            does not keep exactly, bounds are left out.
        upper: Upper bounds; the same.
        present: Which files have an entry; None when all have.
    """

    column: str
    value_count: pa.Array
    null_count: pa.Array
    lower: pa.Array
    upper: pa.Array
    present: npt.NDArray[np.bool_] | None = None


def files_value(entries: pa.Table) -> bytes:
    """The record of a partition's files.

    Args:
        entries: ``name`` (string, as recorded: with ``_<instant>_hudiext`` for files that Hudi did not write), ``size``
            (int64, bytes) and ``deleted`` (bool), without nulls.  In a log block, these are only the changes.
    """
    return _file_map(_FILES, entries)


def partitions_value(paths: Sequence[str], *, deleted: bool = False) -> bytes:
    """The record that lists the partitions.

    Args:
        paths: Relative to the table; the empty path stands for the table without partitions.
        deleted: Whether they are taken from the list, rather than put there.
    """
    names = pa.array([partition_key(path) for path in paths], pa.string())
    sizes = pa.array(np.zeros(len(paths), np.int64))
    return _file_map(_PARTITION_LIST, pa.table({"name": names, "size": sizes, "deleted": [deleted] * len(paths)}))


def column_stats_records(
    partitions: pa.Array, names: pa.Array, statistics: Iterable[ColumnStatistics]
) -> Iterator[tuple[pa.Array, pa.Array]]:
    """The records of columns' statistics in some files.

    Args:
        partitions: Each file's partition path, string.
        names: Each file's name in its directory, without what Hudi appends to names; string.
        statistics: Of each column, in the files' order.  Columns may be made as they are asked for, in the order of
            ``column_key``; then what comes is sorted throughout.

    Yields:
        For each column the keys and the values, binary, in ascending order of keys.
    """
    files = FileKeys(partitions, names)
    order = pa.array(files.order)
    ordered_names = names.take(order)
    for each in statistics:
        keys = files.keys(each.column).take(order)
        values = _statistics_values(each, ordered_names, order)
        if each.present is not None:
            kept = pa.array(each.present[files.order])
            keys, values = keys.filter(kept), values.filter(kept)
        yield keys, values


def column_stats_tombstones(
    partitions: pa.Array, names: pa.Array, columns: Sequence[str]
) -> Iterator[tuple[pa.Array, pa.Array]]:
    """The records that take files' statistics away, as ``column_stats_records`` yields records; sorted throughout."""
    files = FileKeys(partitions, names)
    order = pa.array(files.order)
    ordered_names = names.take(order)
    for column in sorted(columns, key=column_key):
        row = _statistics_row(column, ordered_names)
        row.add(EMPTY * 6 + _TRUE)
        yield files.keys(column).take(order), row.join()


def sorted_records(keys: pa.Array, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Put records in ascending order of their keys; of those with the same key, the last one stays."""
    order = pc.array_sort_indices(keys)  # stable
    keys = keys.take(order)
    if len(keys) > 1:
        last = pc.fill_null(pc.not_equal(keys[:-1], keys[1:]), fill_value=True)
        if not pc.all(last).as_py():
            kept = pa.concat_arrays(
                [last.combine_chunks() if isinstance(last, pa.ChunkedArray) else last, pa.array([True])]
            )
            keys, order = keys.filter(kept), order.filter(kept)
    return keys, values.take(order)


def _file_map(kind: int, entries: pa.Table) -> bytes:
    head = _NO_KEY + varint(kind) + VALUE
    if len(entries) == 0:
        return head + EMPTY
    parts: list[bytes | memoryview] = [head, varint(len(entries))]
    for start in range(0, len(entries), _ENTRIES_AT_ONCE):
        part = entries.slice(start, _ENTRIES_AT_ONCE).combine_chunks()
        row = RowJoiner(len(part))
        add_text(row, _whole(part["name"]))
        row.add(varints(numbers_of(_whole(part["size"]))))
        deleted = _whole(part["deleted"]).cast(pa.uint8())
        row.add(numbers_of(deleted).reshape(-1, 1))
        parts.append(_content(row.join()))
    return b"".join([*parts, EMPTY])


def _statistics_row(column: str, names: pa.Array) -> RowJoiner:
    row = RowJoiner(len(names))
    row.add(_STATISTICS_HEAD + VALUE)
    add_text(row, names)
    row.add(VALUE + avro_bytes(column.encode()))
    return row


def _statistics_values(statistics: ColumnStatistics, names: pa.Array, order: pa.Array) -> pa.Array:
    row = _statistics_row(statistics.column, names)
    for bound in (statistics.lower, statistics.upper):
        add_bound(row, indexed(bound).take(order))
    for count in (statistics.value_count, statistics.null_count):
        _add_optional_long(row, count.take(order))
    row.add(_NO_SIZES + _FALSE)
    return row.join()


def _add_optional_long(row: RowJoiner, values: pa.Array) -> None:
    present = presence(values)
    add_tag(row, present)
    row.add(varints(numbers_of(values.fill_null(0)), present=present))


def _content(values: pa.Array) -> memoryview:
    """The bytes of binary values, one after another."""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)
    return memoryview(data)[int(ends[0]) : int(ends[len(values)])]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
