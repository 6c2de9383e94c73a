"""Manifest lists (Iceberg spec, "Manifest Lists")."""

from __future__ import annotations

import io

import msgspec

from converters.iceberg.avro_writer import ROWS_PER_BLOCK, ContainerWriter, avro_bytes, varint
from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING
from converters.iceberg.manifest_schema import manifest_list_schema
from converters.iceberg.manifest_writer import WrittenManifest
from converters.iceberg.partition_order import PartitionSummary

__all__ = ["ListedManifest", "encode_manifest_list"]

_NULL = varint(0)
_VALUE = varint(1)
_FALSE, _TRUE = b"\x00", b"\x01"


class ListedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest under its name; ``first_row_id`` is the first id for rows that have none yet (version 3)."""

    path: str
    manifest: WrittenManifest
    first_row_id: int | None = None


def encode_manifest_list(
    manifests: list[ListedManifest],
    *,
    format_version: int,
    snapshot_id: int,
    parent_snapshot_id: int | None,
    sequence_number: int,
    first_row_id: int | None = None,
) -> bytes:
    """Write the manifest list of a snapshot whose manifests are all new.

    Args:
        manifests: Its manifests.
        format_version: 2 or 3.
        snapshot_id: The snapshot.
        parent_snapshot_id: The one before; None for the first.
        sequence_number: The snapshot's sequence number.
        first_row_id: The snapshot's first row id (version 3).
    """
    header = {
        "avro.schema": msgspec.json.encode(manifest_list_schema(format_version)).decode(),
        "snapshot-id": str(snapshot_id),
        "parent-snapshot-id": "null" if parent_snapshot_id is None else str(parent_snapshot_id),
        "sequence-number": str(sequence_number),
        "format-version": str(format_version),
    }
    if first_row_id is not None:
        header["first-row-id"] = str(first_row_id)
    out = io.BytesIO()
    container = ContainerWriter(out, header)
    for start in range(0, len(manifests), ROWS_PER_BLOCK):
        part = manifests[start : start + ROWS_PER_BLOCK]
        records = [_record(each, format_version, snapshot_id, sequence_number) for each in part]
        container.block(len(records), b"".join(records))
    return out.getvalue()


def _record(listed: ListedManifest, format_version: int, snapshot_id: int, sequence_number: int) -> bytes:
    manifest = listed.manifest
    parts = [
        avro_bytes(listed.path.encode()),
        varint(manifest.length),
        varint(manifest.spec_id),
        varint(0),  # content: data
        varint(sequence_number),
        varint(manifest.min_sequence_number),
        varint(snapshot_id),
        *(varint(manifest.files[status]) for status in (ADDED, EXISTING, DELETED)),
        *(varint(manifest.rows[status]) for status in (ADDED, EXISTING, DELETED)),
        _VALUE + _summaries(manifest.partitions),
        _NULL,  # key_metadata
    ]
    if format_version >= 3:
        parts.append(_NULL if listed.first_row_id is None else _VALUE + varint(listed.first_row_id))
    return b"".join(parts)


def _summaries(partitions: tuple[PartitionSummary, ...]) -> bytes:
    if not partitions:
        return varint(0)
    return varint(len(partitions)) + b"".join(_summary(each) for each in partitions) + varint(0)


def _summary(summary: PartitionSummary) -> bytes:
    return (
        (_TRUE if summary.contains_null else _FALSE)
        + _VALUE
        + (_TRUE if summary.contains_nan else _FALSE)
        + _optional_bytes(summary.lower)
        + _optional_bytes(summary.upper)
    )


def _optional_bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _VALUE + avro_bytes(value)
