"""Manifest lists (Iceberg spec, "Manifest Lists")."""

from __future__ import annotations

import io

import msgspec

from converters.avro.writer import ROWS_PER_BLOCK, ContainerWriter, avro_bytes, varint
from converters.iceberg.entry_layout import ADDED, DELETED, EXISTING
from converters.iceberg.manifest_schema import manifest_list_schema
from converters.iceberg.manifest_writer import WrittenManifest
from converters.iceberg.metadata import SnapshotJson
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


def encode_manifest_list(manifests: list[ListedManifest], snapshot: SnapshotJson, format_version: int) -> bytes:
    """Write the manifest list of a snapshot all of whose manifests are new.

    Args:
        manifests: Its manifests.
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
        records = [_record(each, snapshot, format_version) for each in part]
        container.block(len(records), b"".join(records))
    return out.getvalue()


def _record(listed: ListedManifest, snapshot: SnapshotJson, format_version: int) -> bytes:
    manifest = listed.manifest
    parts = [
        avro_bytes(listed.path.encode()),
        varint(manifest.length),
        varint(manifest.spec_id),
        varint(0),  # content: data
        varint(snapshot.sequence_number),
        varint(manifest.min_sequence_number),
        varint(snapshot.snapshot_id),
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
