"""Reading the metadata table's partition ``column_stats``: statistics of columns in files.

The records of one column follow each other, sorted by key.  Those of the files wanted are found by their keys and
decoded together, from the newest content that has them: a later record takes the place of an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import numbers_of
from converters.avro.lockstep import Cursor, DamagedRecordsError
from converters.avro.shapes import read_shape
from converters.errors import CorruptTable
from converters.hudi.containers.delete_block import DeletedKeys
from converters.hudi.containers.hfile_reader import HFile
from converters.hudi.metadata_table.bound_values import one_type
from converters.hudi.metadata_table.key_lookup import KeyLookup
from converters.hudi.metadata_table.keys import FileKeys, column_key, with_one_unpartitioned
from converters.hudi.metadata_table.slices import MetadataContent
from converters.hudi.metadata_table.statistics_records import BoundsPart, StatisticsRecords, read_statistics_records

__all__ = ["StatisticsReader"]

IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]

_KEY_BYTES = 48
_SUFFIX_BYTES = 36


class StatisticsReader:
    """Finds statistics in what a partition's file slices hold."""

    def __init__(self, contents: Sequence[MetadataContent], where: str) -> None:
        """Take the keys out.

        Args:
            contents: Of base files and log blocks; of each file group the oldest first.
            where: What they are, for messages.

        Raises:
            CorruptTable: There are keys of another length than Hudi's.
        """
        self._where = where
        # The newest first: of equal keys, the first is found.
        self._contents = [content for content in reversed(contents) if len(content.keys)]
        self._keys = [_key_matrix(content.keys, where) for content in self._contents]
        self._lookups: dict[tuple[int, str], KeyLookup] = {}
        self._last_lookups: dict[int, KeyLookup] = {}

    def column(self, files: FileKeys, column: str) -> pa.Array:
        """A column's statistics, as ``MetadataTable.column_stats`` describes them, in the files' order.

        Raises:
            CorruptTable: Records are damaged.
            UnsupportedTableFeature: Their schema is unknown.
        """
        prefix = column_key(column)
        ranges = [_range_of(keys, prefix) for keys in self._keys]
        columns = _Columns(len(files))
        if any(start < stop for start, stop in ranges):
            left = np.arange(len(files), dtype=np.int64)
            suffixes = files.suffixes
            for number, (start, stop) in enumerate(ranges):
                if start == stop or not len(left):
                    continue
                places = self._lookup(number, column, start, stop).places(suffixes[left])
                there = places >= 0
                content = self._contents[number]
                if there.any() and not isinstance(content, DeletedKeys):
                    # Records are read in the order in which they stand.
                    records, back = np.unique(places[there] + start, return_inverse=True)
                    columns.add(left[there], back, self._read(content, records))
                left = left[~there]
        return columns.joined()

    def _lookup(self, number: int, column: str, start: int, stop: int) -> KeyLookup:
        """Where the files' keys stand among a column's; of most tables they stand alike among all columns'."""
        found = self._lookups.get((number, column))
        if found is None:
            keys = self._keys[number][start:stop, -_SUFFIX_BYTES:]
            last = self._last_lookups.get(number)
            found = last if last is not None and np.array_equal(last.keys, keys) else KeyLookup(keys)
            self._lookups[number, column] = self._last_lookups[number] = found
        return found

    def _read(self, content: HFile, records: IntArray) -> StatisticsRecords:
        entries = content.entries
        starts = entries.value_starts[records]
        cursor = Cursor(entries.data, starts, starts + entries.value_lengths[records])
        try:
            return read_statistics_records(cursor, read_shape(content.schema, self._where), self._where)
        except DamagedRecordsError as error:
            raise CorruptTable(f"{self._where} has damaged records: {error}.") from error


class _Columns:
    """Collects statistics of one column from several places."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: list[IntArray] = []
        self._members: dict[str, list[pa.Array]] = {"value_count": [], "null_count": [], "tight": []}
        self._bounds: dict[str, list[BoundsPart]] = {"min": [], "max": []}

    def add(self, files: IntArray, records: IntArray, read: StatisticsRecords) -> None:
        """Take the statistics of some files from records, which stand for each in ``records``."""
        kept = ~read.deleted[records]
        files, records = files[kept], records[kept]
        self._rows.append(files)
        taken = pa.array(records)
        for name, values in (("value_count", read.value_count), ("null_count", read.null_count), ("tight", read.tight)):
            self._members[name].append(values.take(taken))
        for name, parts in (("min", read.lower), ("max", read.upper)):
            for rows, values in parts:
                places = np.full(len(read.deleted), -1, np.int64)
                places[rows] = np.arange(len(rows))
                chosen = places[records]
                there = chosen >= 0
                self._bounds[name].append((files[there], values.take(pa.array(chosen[there]))))

    def joined(self) -> pa.Array:
        kind = one_type(values.type for parts in self._bounds.values() for _, values in parts)
        arrays: dict[str, pa.Array] = {}
        for name, parts in self._members.items():
            members = [(rows, values) for rows, values in zip(self._rows, parts, strict=True)]
            arrays[name] = self._spread(members, pa.bool_() if name == "tight" else pa.int64())
        for name, parts in self._bounds.items():
            arrays[name] = pa.nulls(self._count) if kind is None else self._spread(parts, kind)
        _doubt(arrays)
        there = np.zeros(self._count, np.bool_)
        for rows in self._rows:
            there[rows] = True
        names = ["value_count", "null_count", "min", "max", "tight"]
        return pa.StructArray.from_arrays([arrays[name] for name in names], names, mask=pa.array(~there))

    def _spread(self, parts: list[BoundsPart], kind: pa.DataType) -> pa.Array:
        """Put values into the rows of the files; null elsewhere."""
        if not parts:
            return pa.nulls(self._count, kind)
        values = pa.concat_arrays([part.cast(kind) for _, part in parts])
        places = np.full(self._count, -1, np.int64)
        places[np.concatenate([rows for rows, _ in parts])] = np.arange(len(values))
        return values.take(pa.array(places, mask=places < 0))


def _doubt(arrays: dict[str, pa.Array]) -> None:
    """Make unknown what Hudi also writes where it knows nothing.

    Of a footer without bounds it takes zeros for bounds: where all values are null, and where floating-point numbers
    have NaN among them.  (Real zeros would be ``-0.0`` and ``0.0``.)  Of a footer without statistics it says that all
    values are null.  Source: ``ParquetUtils.readColumnStatsFromMetadata`` and Parquet's ``Statistics.Builder``.
    """
    no_values = pc.fill_null(pc.less_equal(arrays["value_count"], arrays["null_count"]), fill_value=False)
    doubtful = no_values
    if pa.types.is_floating(arrays["min"].type):
        zeros = pc.and_(pc.equal(arrays["min"], 0.0), pc.equal(arrays["max"], 0.0))
        unordered = pc.or_(pc.is_nan(arrays["min"]), pc.is_nan(arrays["max"]))
        doubtful = pc.or_(doubtful, pc.fill_null(pc.or_kleene(zeros, unordered), fill_value=False))
    for name, unknown in (("min", doubtful), ("max", doubtful), ("null_count", no_values)):
        arrays[name] = pc.if_else(unknown, pa.scalar(None, arrays[name].type), arrays[name])


def _key_matrix(keys: pa.Array, where: str) -> ByteArray:
    """The keys, ascending by column, as they stand in HFiles."""
    if bool((numbers_of(pc.binary_length(keys)) != _KEY_BYTES).any()):
        raise CorruptTable(f"{where} has keys that are none of column statistics.")
    _, offsets, data = keys.buffers()
    start = int(np.frombuffer(offsets, np.int32)[keys.offset])
    matrix: ByteArray = np.frombuffer(data, np.uint8)[start : start + len(keys) * _KEY_BYTES].reshape(-1, _KEY_BYTES)
    return with_one_unpartitioned(matrix)


def _range_of(keys: ByteArray, prefix: bytes) -> tuple[int, int]:
    """The records of a column."""
    texts: npt.NDArray[Any] = keys.view(f"S{_KEY_BYTES}")[:, 0]
    # No character of base64 is greater than the tilde.
    return int(np.searchsorted(texts, prefix)), int(np.searchsorted(texts, prefix + b"~"))
