"""Decoding records of column statistics, many together (``HoodieMetadataColumnStats``).

The schema is the writer's, as it stands in the file: Hudi 0.15, 1.0, 1.2 and the writers of this package have other
fields and other wrappers of bounds.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from converters.avro.byte_slices import copied_slices
from converters.avro.lockstep import Cursor, DamagedRecordsError
from converters.avro.shapes import Shape
from converters.errors import UnsupportedTableFeature
from converters.hudi.metadata_table.bound_values import DECIMAL, VERSION_1, typed_bounds

__all__ = ["BoundsPart", "StatisticsRecords", "read_statistics_records"]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
BoundsPart = tuple[IntArray, pa.Array]
"""Rows, and the bounds of the records in these rows, in one type."""

_FIELD = "ColumnStatsMetadata"


class StatisticsRecords(msgspec.Struct, frozen=True):
    """Decoded records.

    Attributes:
        value_count: Number of values, nulls among them; int64, null where the record has none.
        null_count: Number of nulls; the same.
        deleted: Which records only say that there are no statistics any more.
        tight: Whether values equal to the bounds are there; bool, null where the record does not say.
        lower: Lower bounds, by type.
        upper: Upper bounds.
    """

    value_count: pa.Array
    null_count: pa.Array
    deleted: BoolArray
    tight: pa.Array
    lower: tuple[BoundsPart, ...]
    upper: tuple[BoundsPart, ...]


class _Raw(msgspec.Struct, frozen=True):
    """Bounds in one wrapper, as they are written."""

    rows: IntArray
    wrapper: Shape
    values: pa.Array


def read_statistics_records(cursor: Cursor, shape: Shape, where: str) -> StatisticsRecords:
    """Decode records to their ends.

    Args:
        cursor: At the beginning of each record.
        shape: Of the writer's schema.
        where: What the records are in, for messages.

    Raises:
        DamagedRecordsError: The bytes are no such records.
        UnsupportedTableFeature: The schema is not one of Hudi's.
    """
    if _FIELD not in shape.labels:
        raise _unknown(where)
    place = shape.labels.index(_FIELD)
    for member in shape.members[:place]:
        cursor.skip(member)
    found: StatisticsRecords | None = None
    for branch, rows, part in cursor.branches(shape.members[place]):
        if branch.kind != "record" or rows is not None:
            raise DamagedRecordsError("a record has no statistics")
        found = _Fields(part, where).read(branch)
    for member in shape.members[place + 1 :]:
        cursor.skip(member)
    cursor.check_ended()
    if found is None:
        raise DamagedRecordsError("there are no records")
    return found


class _Fields:
    """Reads the fields of statistics, in the order in which the writer's schema has them."""

    def __init__(self, cursor: Cursor, where: str) -> None:
        self._cursor = cursor
        self._where = where
        self._counts: dict[str, pa.Array] = {}
        self._flags: dict[str, BoolArray] = {}
        self._bounds: dict[str, tuple[_Raw, ...]] = {}
        self._types = np.full(len(cursor), VERSION_1, np.int64)
        self._details = pa.array([b""] * len(cursor), pa.large_binary())

    def read(self, statistics: Shape) -> StatisticsRecords:
        for label, member in zip(statistics.labels, statistics.members, strict=True):
            if label in {"minValue", "maxValue"} and member.kind == "union":
                self._bounds[label] = tuple(self._read_bounds(member))
            elif label in {"valueCount", "nullCount"} and member.kind == "union":
                self._counts[label] = self._read_count(member)
            elif label in {"isDeleted", "isTightBound"} and member.kind == "boolean":
                self._flags[label] = self._cursor.booleans()
            elif label == "valueType" and member.kind == "union":
                self._read_types(member)
            else:
                self._cursor.skip(member)
        if len(self._bounds) < 2 or len(self._counts) < 2 or "isDeleted" not in self._flags:
            raise _unknown(self._where)
        tight = self._flags.get("isTightBound")
        return StatisticsRecords(
            self._counts["valueCount"],
            self._counts["nullCount"],
            self._flags["isDeleted"],
            pa.nulls(len(self._cursor), pa.bool_()) if tight is None else pa.array(tight),
            tuple(self._typed("minValue")),
            tuple(self._typed("maxValue")),
        )

    def _read_count(self, union: Shape) -> pa.Array:
        counts, missing = np.zeros(len(self._cursor), np.int64), np.ones(len(self._cursor), np.bool_)
        for branch, rows, part in self._cursor.branches(union):
            chosen = slice(None) if rows is None else rows
            if branch.kind == "long":
                counts[chosen] = part.longs()
                missing[chosen] = False
            else:
                part.skip(branch)
        return pa.array(counts, mask=missing)

    def _read_bounds(self, union: Shape) -> Iterator[_Raw]:
        for branch, rows, part in self._cursor.branches(union):
            values = _values(part, branch.members[0]) if branch.labels == ("value",) else None
            if values is None:
                part.skip(branch)
            else:
                yield _Raw(np.arange(len(part)) if rows is None else rows, branch, values)

    def _read_types(self, union: Shape) -> None:
        for branch, rows, part in self._cursor.branches(union):
            if branch.labels[:1] != ("typeOrdinal",) or branch.members[0].kind != "long":
                part.skip(branch)
                continue
            chosen = np.arange(len(part)) if rows is None else rows
            numbers = part.longs()
            self._types[chosen] = numbers
            for label, member in zip(branch.labels[1:], branch.members[1:], strict=True):
                if label == "additionalInfo" and member.kind == "union":
                    self._read_details(chosen, member, part)
                else:
                    part.skip(member)

    def _read_details(self, chosen: IntArray, union: Shape, cursor: Cursor) -> None:
        for branch, rows, part in cursor.branches(union):
            if branch.kind != "bytes":
                part.skip(branch)
                continue
            texts = copied_slices(part.data, *part.slices())
            places = np.zeros(len(self._types), np.int64)
            places[chosen if rows is None else chosen[rows]] = np.arange(1, len(texts) + 1)
            known = pa.concat_arrays([pa.array([b""], pa.large_binary()), texts])
            self._details = known.take(pa.array(places))

    def _typed(self, label: str) -> Iterator[BoundsPart]:
        for raw in self._bounds.get(label, ()):
            numbers = self._types[raw.rows]
            for number in np.unique(numbers).tolist():
                for rows, details in self._by_details(np.flatnonzero(numbers == number), raw.rows, number):
                    values = raw.values if len(rows) == len(raw.rows) else raw.values.take(pa.array(rows))
                    typed = typed_bounds(values, raw.wrapper, number, details)
                    if typed is not None:
                        yield raw.rows[rows], typed

    def _by_details(self, rows: IntArray, records: IntArray, number: int) -> Iterator[tuple[IntArray, str]]:
        """Split rows of one type by what else is said of it; only decimals have that."""
        if number != DECIMAL:
            yield rows, ""
            return
        encoded = self._details.take(pa.array(records[rows])).dictionary_encode()
        indices = np.asarray(encoded.indices)
        for place, details in enumerate(encoded.dictionary.to_pylist()):
            yield rows[indices == place], bytes(details).decode("utf-8", "replace")


def _values(cursor: Cursor, value: Shape) -> pa.Array | None:
    """Read the values in wrappers; None, and nothing read, where they are of an unknown form."""
    if value.kind == "long":
        return pa.array(cursor.longs())
    if value.kind == "bytes":
        starts, lengths = cursor.slices()
        return copied_slices(cursor.data, starts, lengths)
    if value.kind == "double":
        return pa.array(cursor.doubles())
    if value.kind == "float":
        return pa.array(cursor.floats())
    return pa.array(cursor.booleans()) if value.kind == "boolean" else None


def _unknown(where: str) -> UnsupportedTableFeature:
    return UnsupportedTableFeature(f"{where} has column statistics of an unknown schema.")
