"""Manifest entries from ``DataFile`` batches, a column at a time (Iceberg spec, "Manifests", ``data_file``)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.avro_writer import (
    EMPTY,
    ByteArray,
    Cells,
    RowJoiner,
    avro_bytes,
    binary_from_lengths,
    varint,
    varints,
)
from converters.iceberg.bounds_encoding import cut, encode_values
from converters.iceberg.manifest_schema import decimal_bytes
from converters.model.data_file import STAT_NAMES
from converters.model.partition import PartitionField
from converters.model.types import DecimalType, FixedType, PrimitiveType, Type, arrow_type

__all__ = [
    "ADDED",
    "DELETED",
    "EXISTING",
    "EntryLayout",
    "LeafLayout",
    "Origins",
    "PartitionMember",
    "Status",
    "encode_entries",
    "partition_column",
]

Status = Literal[0, 1, 2]

EXISTING: Status = 0
ADDED: Status = 1
DELETED: Status = 2

BoolArray = npt.NDArray[np.bool_]

_DATA = varint(0)
_NULL = varint(0)
_VALUE = varint(1)
_SET = 0x02  # what _VALUE encodes to, as a number
_PLACE = {name: place for place, name in enumerate(STAT_NAMES)}
_VARINT_KINDS = {
    "byte",
    "short",
    "int",
    "long",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "timestamp_ns",
    "timestamptz_ns",
}


class LeafLayout(msgspec.Struct, frozen=True):
    """A column with statistics: the member of ``stats`` that has them, and the column's field id in the target."""

    member: str
    field_id: int
    type: Type


class PartitionMember(msgspec.Struct, frozen=True):
    """A partition field: the member of ``partition`` that has its values, the target's field, and its values' type."""

    member: str
    field: PartitionField
    type: Type


class EntryLayout(msgspec.Struct, frozen=True):
    """What entries look like: those of one partition spec of the target, from one kind of batch."""

    format_version: int
    spec_id: int
    partition: tuple[PartitionMember, ...]
    leaves: tuple[LeafLayout, ...]


class Origins(msgspec.Struct, frozen=True):
    """Where entries come from that an earlier snapshot added: int64 columns without nulls, but ``first_row_id``."""

    snapshot_id: pa.Array
    sequence_number: pa.Array
    file_sequence_number: pa.Array
    first_row_id: pa.Array


def encode_entries(
    batch: pa.RecordBatch,
    layout: EntryLayout,
    status: Status,
    snapshot_id: int,
    origins: Origins | None = None,
) -> pa.Array:
    """Encode one entry a row, all of one partition spec and one status.

    Args:
        batch: Files; row counts are known.
        layout: What the entries look like.
        status: ``ADDED``, ``EXISTING`` or ``DELETED``.
        snapshot_id: The snapshot that is being written: it adds what is added and deletes what is deleted.
        origins: Needed for existing and deleted entries.  For added ones sequence numbers are inherited.

    Returns:
        A binary array without nulls, one Avro record a row.
    """
    row = RowJoiner(len(batch))
    row.add(varint(status))
    _write_origins(row, status, snapshot_id, origins)
    row.add(_DATA)
    _write_text(row, batch.column("path"))
    _write_format(row, batch.column("file_format"))
    for member in layout.partition:
        _write_partition_value(row, partition_column(batch, member), member.type)
    rows = varints(_numbers(batch.column("row_count")))
    row.add(rows)
    row.add(varints(_numbers(batch.column("size"))))
    row.add(_VALUE + EMPTY)  # column_sizes: pyiceberg's inspect() wants a map, be it empty
    _write_metrics(row, batch.column("stats"), layout.leaves, rows)
    row.add(_NULL * 4)  # key_metadata, split_offsets, equality_ids, sort_order_id
    if layout.format_version >= 3:
        _write_optional_number(row, None if origins is None else origins.first_row_id)
    return row.join()


def partition_column(batch: pa.RecordBatch, member: PartitionMember) -> pa.Array:
    """A partition field's values; null where the batch has none."""
    values = batch.column("partition")
    place = values.type.get_field_index(member.member)
    return pc.struct_field(values, [place]) if place >= 0 else pa.nulls(len(batch), arrow_type(member.type))


def _numbers(values: pa.Array) -> npt.NDArray[Any]:
    numbers: npt.NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return numbers


def _write_origins(row: RowJoiner, status: int, snapshot_id: int, origins: Origins | None) -> None:
    if origins is None:
        row.add(_VALUE + varint(snapshot_id) + _NULL + _NULL)
        return
    if status == DELETED:
        row.add(_VALUE + varint(snapshot_id))
    else:
        row.add(varints(_numbers(origins.snapshot_id), prefix=_VALUE))
    row.add(varints(_numbers(origins.sequence_number), prefix=_VALUE))
    row.add(varints(_numbers(origins.file_sequence_number), prefix=_VALUE))


def _write_optional_number(row: RowJoiner, values: pa.Array | None) -> None:
    if values is None or values.null_count == len(values):
        row.add(_NULL)
        return
    present = _present(values)
    _write_tag(row, present)
    row.add(varints(_numbers(pc.fill_null(values, 0)), present=present))


def _write_text(row: RowJoiner, values: pa.Array) -> None:
    row.add(varints(_numbers(pc.binary_length(values))))
    row.add(values.cast(pa.binary()))


def _write_format(row: RowJoiner, formats: pa.Array) -> None:
    distinct = pc.unique(formats)
    if len(distinct) == 1:
        row.add(avro_bytes(distinct[0].as_py().encode()))
    else:
        _write_text(row, formats)


def _present(values: pa.Array) -> BoolArray | None:
    """Which values are known; None when all are."""
    if values.null_count == 0:
        return None
    present: BoolArray = values.is_valid().to_numpy(zero_copy_only=False)
    return present


def _write_tag(row: RowJoiner, present: BoolArray | None) -> None:
    """Write the branch of a union of null and something."""
    row.add(_VALUE if present is None else np.where(present, np.uint8(_SET), np.uint8(0)).reshape(-1, 1))


def _chosen(matrix: ByteArray, present: BoolArray, prefix: bytes) -> pa.Array:
    """A binary array: the prefix and a row of the matrix where present, nothing elsewhere."""
    kept = matrix[present]
    data = np.empty((len(kept), len(prefix) + kept.shape[1]), np.uint8)
    data[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    data[:, len(prefix) :] = kept
    return binary_from_lengths(present.astype(np.int32) * np.int32(data.shape[1]), data.reshape(-1))


def _write_partition_value(row: RowJoiner, values: pa.Array, type_: Type) -> None:
    if values.null_count == len(values):
        row.add(_NULL)
        return
    present = _present(values)
    _write_tag(row, present)
    match type_:
        case PrimitiveType(kind) if kind in _VARINT_KINDS:
            integers = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())
            row.add(varints(_numbers(pc.fill_null(integers, 0)), present=present))
            return
        case DecimalType(precision):
            encoded: Cells = _wide_decimals(values, decimal_bytes(precision))
        case _:
            encoded = encode_values(values, type_)
    if isinstance(encoded, np.ndarray):
        row.add(encoded if present is None else _chosen(encoded, present, b""))
        return
    if not isinstance(type_, FixedType):
        row.add(varints(_numbers(pc.binary_length(encoded)), present=present))
    row.add(encoded)


def _wide_decimals(values: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """Unscaled values big-endian in ``width`` bytes."""
    halves = np.frombuffer(values.buffers()[1], "<i8").reshape(-1, 2)[values.offset : values.offset + len(values)]
    wide = np.ascontiguousarray(halves[:, ::-1]).astype(">i8").view(np.uint8).reshape(len(values), 16)
    return wide[:, 16 - width :]


class _Map:
    """A map from field id to something, each row with the items that are known in it."""

    def __init__(self) -> None:
        self._pieces: list[bytes | Cells] = []
        self._everywhere = 0
        self._masks: list[BoolArray] = []

    def add_numbers(self, field_id: int, values: pa.Array) -> None:
        """Add an item where the number is known."""
        if values.null_count == len(values):
            return
        present = self._count(values)
        if present is not None:
            values = pc.fill_null(values, 0)
        self._pieces.append(varints(_numbers(values), prefix=varint(field_id), present=present))

    def add_values(self, field_id: int, values: pa.Array, type_: Type) -> None:
        """Add an item where the bound is known."""
        if values.null_count == len(values):
            return
        present = self._count(values)
        encoded = encode_values(values, type_)
        key = varint(field_id)
        if isinstance(encoded, np.ndarray):
            key += varint(encoded.shape[1])
            self._pieces += [key, encoded] if present is None else [_chosen(encoded, present, key)]
            return
        self._pieces += [varints(_numbers(pc.binary_length(encoded)), prefix=key, present=present), encoded]

    def write(self, row: RowJoiner) -> None:
        """Write the map; one without items is empty, not null."""
        row.add(_VALUE)
        if self._masks:
            counts = np.full(len(self._masks[0]), self._everywhere, np.int64)
            for mask in self._masks:
                counts += mask
            row.add(varints(counts, present=counts > 0))
        elif self._everywhere:
            row.add(varint(self._everywhere))
        for piece in self._pieces:
            row.add(piece)
        row.add(EMPTY)

    def _count(self, values: pa.Array) -> BoolArray | None:
        present = _present(values)
        if present is None:
            self._everywhere += 1
        else:
            self._masks.append(present)
        return present


def _write_value_counts(row: RowJoiner, leaves: tuple[LeafLayout, ...], rows: Cells) -> None:
    """Write the row count as every column's value count."""
    if not leaves:
        row.add(_VALUE + EMPTY)
        return
    row.add(_VALUE + varint(len(leaves)))
    keys = [varint(leaf.field_id) for leaf in leaves]
    if isinstance(rows, np.ndarray):
        for key in keys:
            row.add(key)
            row.add(rows)
    else:
        row.add(_repeated(keys, rows))
    row.add(EMPTY)


def _repeated(keys: list[bytes], numbers: pa.Array) -> pa.Array:
    """Every key, followed by the row's number each time: built for rows whose number is equally long at once."""
    lengths = _numbers(pc.binary_length(numbers))
    groups: list[pa.Array] = []
    places: list[npt.NDArray[np.int64]] = []
    for length in np.unique(lengths):
        place = np.flatnonzero(lengths == length)
        matrix = np.frombuffer(numbers.take(place).buffers()[2], np.uint8)[: len(place) * length]
        part = RowJoiner(len(place))
        for key in keys:
            part.add(key)
            part.add(matrix.reshape(len(place), length))
        groups.append(part.join())
        places.append(place)
    back = np.empty(len(numbers), np.int64)
    back[np.concatenate(places)] = np.arange(len(numbers))
    return pa.concat_arrays(groups).take(back)


def _write_metrics(row: RowJoiner, stats: pa.Array, leaves: tuple[LeafLayout, ...], rows: Cells) -> None:
    _write_value_counts(row, leaves, rows)
    null_counts, nan_counts, lower, upper = (_Map() for _ in range(4))
    for leaf in leaves:
        place = stats.type.get_field_index(leaf.member)

        def known(name: str, place: int = place) -> pa.Array:
            return pc.struct_field(stats, [place, _PLACE[name]])

        null_counts.add_numbers(leaf.field_id, known("null_count"))
        nans = known("nan_count")
        nan_counts.add_numbers(leaf.field_id, nans)
        lower.add_values(leaf.field_id, cut(known("lower"), leaf.type, "lower")[0], leaf.type)
        upper.add_values(leaf.field_id, cut(_above_nan(known("upper"), nans), leaf.type, "upper")[0], leaf.type)
    for each in (null_counts, nan_counts, lower, upper):
        each.write(row)


def _above_nan(upper: pa.Array, nans: pa.Array) -> pa.Array:
    """Upper bounds without those of files that have NaN: engines that sort NaN last would skip its rows."""
    if nans.null_count == len(nans) or not pc.any(pc.greater(nans, 0)).as_py():
        return upper
    return pc.if_else(pc.fill_null(pc.greater(nans, 0), fill_value=False), pa.scalar(None, upper.type), upper)
