"""Reading the records of the metadata table's partition ``files``: which files a table has.

A record's value has a map of file names (or, in the list of partitions, of partition paths) to ``size`` and
``isDeleted``.  The entries of all maps are taken out of the records and decoded together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import numbers_of
from converters.avro.lockstep import Cursor, DamagedRecordsError
from converters.avro.reader import FlatColumn, FlatSchema, UndecodableRowsError, decode_rows
from converters.avro.shapes import Shape, read_shape
from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.containers.delete_block import DeletedKeys
from converters.hudi.containers.hfile_reader import HFile
from converters.hudi.containers.protobuf import read_varint
from converters.hudi.metadata_table.keys import ALL_PARTITIONS, UNPARTITIONED
from converters.hudi.metadata_table.slices import MetadataContent

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FILES_COLUMNS", "map_field", "merged_files", "newest_entries"]

FILES_COLUMNS = pa.schema(
    [
        pa.field("partition", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
    ]
)

IntArray = npt.NDArray[np.int64]

_FIELD = "filesystemMetadata"
_ENTRY = {
    "type": "record",
    "name": "entry",
    "fields": [
        {"name": "key", "type": "string"},
        {"name": "size", "type": "long"},
        {"name": "isDeleted", "type": "boolean"},
    ],
}
_SHORTEST_ENTRY = 3
_FLAT = FlatSchema(
    (
        FlatColumn("key", "key", "string", None, b"\x00"),
        FlatColumn("size", "size", "long", None, b"\x00"),
        FlatColumn("isDeleted", "isDeleted", "boolean", None, b"\x00"),
    ),
    msgspec.json.encode(_ENTRY),
)


def merged_files(contents: Sequence[MetadataContent], where: str) -> tuple[list[str], pa.Table]:
    """The live partitions and files.

    Later records change earlier ones, entry by entry (``HoodieMetadataPayload.combineFileSystemMetadata``): an entry
    that is deleted takes the one before away, any other is put; of sizes the larger one counts.

    Args:
        contents: Of the base file and the log blocks, the oldest first.
        where: What they are, for messages.

    Returns:
        Partition paths, sorted, and the files in these, with ``FILES_COLUMNS``; ``''`` stands for the table without
        partitions.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    tables: list[pa.Table] = []
    for content in contents:
        if isinstance(content, DeletedKeys):
            gone = content.keys.cast(pa.string())
            tables = [table.filter(pc.invert(pc.is_in(table["partition"], value_set=gone))) for table in tables]
        elif len(content.entries):
            tables.append(_entries(content, where))
    if not tables:
        return [], FILES_COLUMNS.empty_table()
    live = _newest(tables)
    partitions = live.filter(pl.col("partition") == ALL_PARTITIONS)["name"]
    files = live.filter(pl.col("partition").is_in(partitions.implode())).select("partition", "name", "size")
    files = files.with_columns(pl.col("partition").replace(UNPARTITIONED, ""))
    paths = sorted("" if path == UNPARTITIONED else path for path in partitions.to_list())
    return paths, files.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(FILES_COLUMNS)


def newest_entries(tables: Sequence[pa.Table]) -> pa.Table:
    """Entries that are live, once later ones have changed earlier ones.

    Args:
        tables: ``partition`` (the record's key), ``name``, ``size`` and ``deleted``; the oldest first, at least one.

    Returns:
        ``FILES_COLUMNS``.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    return _newest(tables).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(FILES_COLUMNS)


def _newest(tables: Sequence[pa.Table]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - heavy

    schema = {"partition": pl.String, "name": pl.String, "size": pl.Int64, "deleted": pl.Boolean}
    frame = pl.concat([pl.DataFrame(pl.from_arrow(table), schema=schema) for table in tables])
    newest = frame.unique(["partition", "name"], keep="last", maintain_order=True)
    if len(newest) < len(frame):
        largest = frame.filter(~pl.col("deleted")).group_by("partition", "name").agg(pl.col("size").max())
        newest = newest.drop("size").join(largest, on=["partition", "name"], how="left", maintain_order="left")
    return newest.filter(~pl.col("deleted")).select("partition", "name", "size")


def _entries(content: HFile, where: str) -> pa.Table:
    """Every entry of every record: the record's key (as ``partition``), ``name``, ``size`` and ``deleted``."""
    try:
        counts, bodies = _bodies(content, read_shape(content.schema, where), where)
        rows = int(counts.sum())
        if rows:
            decoded = decode_rows(_FLAT, rows, bodies, ["key", "size", "isDeleted"], key="key")
            names, sizes, deleted = (decoded[name].combine_chunks() for name in ("key", "size", "isDeleted"))
            _check_places(counts, np.array([len(body) for body in bodies], np.int64), names, sizes)
        else:
            names, sizes, deleted = pa.array([], pa.string()), pa.array([], pa.int64()), pa.array([], pa.bool_())
        keys = content.keys.cast(pa.string())
    except (DamagedRecordsError, UndecodableRowsError, pa.ArrowInvalid) as error:
        raise CorruptTable(f"{where} has damaged records: {error}.") from error
    partitions = keys.take(pa.array(np.repeat(np.arange(len(counts)), counts)))
    return pa.table({"partition": partitions, "name": names, "size": sizes, "deleted": deleted})


def _bodies(content: HFile, shape: Shape, where: str) -> tuple[IntArray, list[bytes | memoryview]]:
    """For each record the number of its map's entries, and their bytes."""
    entries = content.entries
    ends = entries.value_starts + entries.value_lengths
    cursor = Cursor(entries.data, entries.value_starts, ends)
    place, tag = map_field(shape, where)
    for member in shape.members[:place]:
        cursor.skip(member)
    rows = np.flatnonzero(cursor.longs() == tag)
    part, ends = cursor.part(rows), ends[rows]
    claimed = part.longs()
    starts = part.places
    # As every known writer does it: one block of entries, or none, and after the map nothing but nulls.
    nulls = len(shape.members) - place - 1
    stops = ends - nulls - (claimed != 0)
    plain = (claimed >= 0) & (stops >= starts)
    data: npt.NDArray[np.uint8] = np.frombuffer(entries.data, np.uint8)
    for back in range(1, nulls + 2):
        plain &= data[ends - back] == 0
    counts = np.zeros(len(cursor), np.int64)
    counts[rows] = claimed
    view = memoryview(entries.data)
    bodies: list[bytes | memoryview] = [b""] * len(cursor)
    for row, start, stop, end, is_plain in zip(
        rows.tolist(), starts.tolist(), stops.tolist(), ends.tolist(), plain.tolist(), strict=True
    ):
        if is_plain:
            bodies[row] = view[start:stop]
        else:
            counts[row], bodies[row] = _walked(view, int(counts[row]), start, end)
        if counts[row] * _SHORTEST_ENTRY > len(bodies[row]):
            raise DamagedRecordsError("a map has fewer entries than it says")
    return counts, bodies


def map_field(shape: Shape, where: str) -> tuple[int, int]:
    """The place of the map in a record, and its branch in the union there."""
    if _FIELD in shape.labels:
        place = shape.labels.index(_FIELD)
        union = shape.members[place]
        for tag, branch in enumerate(union.members):
            values = branch.members[0] if branch.kind == "map" else None
            if union.kind == "union" and values is not None and values.labels == ("size", "isDeleted"):
                return place, tag
    raise UnsupportedTableFeature(f"{where} has records of an unknown schema.")


def _walked(data: memoryview, count: int, place: int, end: int) -> tuple[int, bytes]:
    """The number of a map's entries and their bytes, from all of its blocks."""
    total, parts = 0, list[memoryview]()
    while count:
        if count < 0:  # the block's length in bytes follows
            length, start = _long(data, place, end)
            place = start + length
        else:
            start, length = place, 0
            for _ in range(count):
                length, place = _long(data, place, end)
                _, place = _long(data, place + max(length, 0), end)
                place += 1
        if length < 0 or place > end:
            raise DamagedRecordsError("a map is longer than its record")
        parts.append(data[start:place])
        total += abs(count)
        count, place = _long(data, place, end)
    return total, b"".join(parts)


def _long(data: memoryview, place: int, end: int) -> tuple[int, int]:
    if place >= end:
        raise DamagedRecordsError("a map is longer than its record")
    value, place = read_varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def _check_places(counts: IntArray, lengths: IntArray, names: pa.Array, sizes: pa.Array) -> None:
    """Check that every record ends where its last entry does: no entry may be taken for another record's."""
    name_lengths = numbers_of(pc.binary_length(names)).astype(np.int64)
    ends = np.cumsum(_varint_lengths(name_lengths) + name_lengths + _varint_lengths(numbers_of(sizes)) + 1)
    bounds = np.concatenate((np.zeros(1, np.int64), ends))[np.cumsum(counts)]
    if bool((bounds != np.cumsum(lengths)).any()):
        raise DamagedRecordsError("an entry ends in another record")


def _varint_lengths(values: IntArray) -> IntArray:
    """How many bytes numbers take."""
    rest = ((values << 1) ^ (values >> 63)).view(np.uint64)
    lengths = np.ones(len(values), np.int64)
    for bits in range(7, 64, 7):
        longer = rest >= np.uint64(1 << bits)
        if not bool(longer.any()):
            break
        lengths += longer
    return lengths
