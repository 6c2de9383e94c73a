"""Manifest lists (Iceberg spec, "Manifest Lists")."""

from __future__ import annotations

import io

import msgspec

from converters.avro.writer import ROWS_PER_BLOCK, ContainerWriter, avro_bytes, varint
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.schemas import manifest_list_schema
from converters.iceberg.metadata.structs import SnapshotJson
from converters.iceberg.partitions.order import PartitionSummary

__all__ = ["encode_manifest_list"]

_NULL = varint(0)
_VALUE = varint(1)
_FALSE, _TRUE = b"\x00", b"\x01"


def encode_manifest_list(manifests: list[ListedManifest], snapshot: SnapshotJson, format_version: int) -> bytes:
    """Write the manifest list of a snapshot.

    Args:
        manifests: Its manifests, new ones and those that it keeps.
        snapshot: The snapshot.
        format_version: 2 or 3.
    """
    parent = snapshot.parent_snapshot_id
    header = {
        "avro.schema": msgspec.json.encode(manifest_list_schema(format_version)).decode(),
        "snapshot-id": str(snapshot.snapshot_id),
        "parent-snapshot-id": "null" if parent is None else str(parent),
        "sequence-number": str(snapshot.sequence_number),
        "format-version": str(format_version),
    }
    if snapshot.first_row_id is not None:
        header["first-row-id"] = str(snapshot.first_row_id)
    out = io.BytesIO()
    container = ContainerWriter(out, header)
    for start in range(0, len(manifests), ROWS_PER_BLOCK):
        part = manifests[start : start + ROWS_PER_BLOCK]
        records = [_record(each, format_version) for each in part]
        container.block(len(records), b"".join(records))
    return out.getvalue()


def _record(listed: ListedManifest, format_version: int) -> bytes:
    parts = [
        avro_bytes(listed.path.encode()),
        varint(listed.length),
        varint(listed.spec_id),
        varint(listed.content),
        varint(listed.sequence_number),
        varint(listed.min_sequence_number),
        varint(listed.snapshot_id),
        *(varint(count) for count in listed.files),
        *(varint(count) for count in listed.rows),
        _NULL if listed.partitions is None else _VALUE + _summaries(listed.partitions),
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
        + (_NULL if summary.contains_nan is None else _VALUE + (_TRUE if summary.contains_nan else _FALSE))
        + _optional_bytes(summary.lower)
        + _optional_bytes(summary.upper)
    )


def _optional_bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _VALUE + avro_bytes(value)
