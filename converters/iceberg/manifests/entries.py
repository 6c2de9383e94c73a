"""Manifest entries from ``DataFile`` batches, a column at a time (Iceberg spec, "Manifests", ``data_file``)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.columns import NULL, VALUE, add_tag, add_text, chosen_rows, numbers_of, presence
from converters.avro.writer import EMPTY, Cells, RowJoiner, avro_bytes, varint, varints
from converters.iceberg.manifests.entry_layout import DELETED, EntryLayout, Origins, Status, partition_column
from converters.iceberg.manifests.list_reader import DATA, DELETES
from converters.iceberg.manifests.schemas import decimal_bytes
from converters.iceberg.statistics.bounds_encoding import encode_values
from converters.iceberg.statistics.writer import add_metrics
from converters.model.types import DecimalType, FixedType, PrimitiveType, Type

__all__ = ["encode_entries"]

_DATA, _POSITION_DELETES = varint(0), varint(1)
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
    row.add(_DATA if layout.content == DATA else _POSITION_DELETES)
    add_text(row, batch.column("path"))
    _write_format(row, batch.column("file_format"))
    for member in layout.partition:
        _write_partition_value(row, partition_column(batch, member), member.type)
    rows = varints(numbers_of(batch.column("row_count")))
    row.add(rows)
    row.add(varints(numbers_of(batch.column("size"))))
    row.add(VALUE + EMPTY)  # column_sizes: pyiceberg's inspect() wants a map, be it empty
    add_metrics(row, batch.column("stats"), layout.leaves, rows)
    row.add(NULL * 4)  # key_metadata, split_offsets, equality_ids, sort_order_id
    if layout.format_version >= 3:
        _write_optional_number(row, None if origins is None else origins.first_row_id)
    if layout.content == DELETES:
        row.add(VALUE)
        add_text(row, batch.column("referenced_data_file"))
        if layout.format_version >= 3:
            _write_optional_number(row, batch.column("content_offset"))
            _write_optional_number(row, batch.column("content_size"))
    return row.join()


def _write_origins(row: RowJoiner, status: int, snapshot_id: int, origins: Origins | None) -> None:
    if origins is None:
        row.add(VALUE + varint(snapshot_id) + NULL + NULL)
        return
    if status == DELETED:
        row.add(VALUE + varint(snapshot_id))
    else:
        row.add(varints(numbers_of(origins.snapshot_id), prefix=VALUE))
    row.add(varints(numbers_of(origins.sequence_number), prefix=VALUE))
    row.add(varints(numbers_of(origins.file_sequence_number), prefix=VALUE))


def _write_optional_number(row: RowJoiner, values: pa.Array | None) -> None:
    if values is None or values.null_count == len(values):
        row.add(NULL)
        return
    present = presence(values)
    add_tag(row, present)
    row.add(varints(numbers_of(pc.fill_null(values, 0)), present=present))


def _write_format(row: RowJoiner, formats: pa.Array) -> None:
    distinct = pc.unique(formats)
    if len(distinct) == 1:
        row.add(avro_bytes(distinct[0].as_py().encode()))
    else:
        add_text(row, formats)


def _write_partition_value(row: RowJoiner, values: pa.Array, type_: Type) -> None:
    if values.null_count == len(values):
        row.add(NULL)
        return
    present = presence(values)
    add_tag(row, present)
    match type_:
        case PrimitiveType(kind) if kind in _VARINT_KINDS:
            integers = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())
            row.add(varints(numbers_of(pc.fill_null(integers, 0)), present=present))
            return
        case DecimalType(precision):
            encoded: Cells = _wide_decimals(values, decimal_bytes(precision))
        case _:
            encoded = encode_values(values, type_)
    if isinstance(encoded, np.ndarray):
        row.add(encoded if present is None else chosen_rows(encoded, present, b""))
        return
    if not isinstance(type_, FixedType):
        row.add(varints(numbers_of(pc.binary_length(encoded)), present=present))
    row.add(encoded)


def _wide_decimals(values: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """Unscaled values big-endian in ``width`` bytes."""
    halves = np.frombuffer(values.buffers()[1], "<i8").reshape(-1, 2)[values.offset : values.offset + len(values)]
    wide = np.ascontiguousarray(halves[:, ::-1]).astype(">i8").view(np.uint8).reshape(len(values), 16)
    return wide[:, 16 - width :]
