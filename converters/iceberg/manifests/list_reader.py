"""Manifest lists: which manifests a snapshot has (Iceberg spec, "Manifest Lists")."""

from __future__ import annotations

from typing import Any

import msgspec

from converters.avro.container import blocks, open_avro
from converters.avro.few_rows import decode_few_rows
from converters.avro.reader import UndecodableRowsError
from converters.errors import CorruptTable, LimitExceeded, ObjectNotFound, UnsupportedTableFeature
from converters.iceberg.manifests.avro_schema import flatten
from converters.iceberg.metadata.location import file_location
from converters.iceberg.metadata.structs import SnapshotJson
from converters.storage.base import Storage

__all__ = ["DATA", "DELETES", "ManifestFile", "read_manifest_list"]

DATA, DELETES = 0, 1
"""What a manifest tracks (spec, "Manifest Lists", ``content``)."""

_PATH, _LENGTH, _SPEC, _CONTENT = "f500", "f501", "f502", "f517"
_ADDED, _EXISTING, _DELETED = "f504", "f505", "f506"
_KEY_METADATA = "f519"
_SEQUENCE, _SNAPSHOT, _FIRST_ROW = "f515", "f503", "f520"
_MOST_MANIFESTS = 500_000
_LARGEST_LIST = 512 * 2**20


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """One manifest of a snapshot.

    Attributes:
        path: Canonical location.
        length: Bytes, as recorded; 0 where that is unknown.
        content: ``DATA`` or ``DELETES``.
        spec_id: The partition spec of its files; None where only the manifest itself says (version 1).
        live: How many live files it has; None = unknown.
        sequence_number: What entries without a sequence number of their own have.
        snapshot_id: Likewise, for the snapshot that added them; None = unknown.
        first_row_id: The first id of rows without ids (version 3); None = they have none.
    """

    path: str
    length: int = 0
    content: int = DATA
    spec_id: int | None = None
    live: int | None = None
    sequence_number: int = 0
    snapshot_id: int | None = None
    first_row_id: int | None = None


def read_manifest_list(storage: Storage, snapshot: SnapshotJson, *, only_live: bool = True) -> tuple[ManifestFile, ...]:
    """Read the manifests of a snapshot.

    Args:
        storage: Where they lie.
        snapshot: The snapshot.
        only_live: Leave out those that have no live files.

    Raises:
        CorruptTable: The manifest list is missing or unreadable.
        UnsupportedTableFeature: It is encrypted, or tracks what is not known.
    """
    owner = f"The snapshot {snapshot.snapshot_id}"
    if snapshot.manifest_list is None:
        if snapshot.manifests is None:
            raise CorruptTable(f"{owner} names no manifest list.")
        return tuple(ManifestFile(path=file_location(path, owner)) for path in snapshot.manifests)
    path = file_location(snapshot.manifest_list, owner)
    where = f"The manifest list '{path}'"
    try:
        data = storage.get(path)
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} of snapshot {snapshot.snapshot_id} does not exist.") from error
    found = (_manifest(row, where) for row in _rows(data, where))
    return tuple(manifest for manifest in found if not only_live or manifest.live != 0)


def _rows(data: bytes, where: str) -> list[dict[str, Any]]:
    file = open_avro(data, where)
    content: list[tuple[int, bytes]] = []
    count = size = 0
    for rows, block in blocks(file):
        content.append((rows, block))
        count += rows
        size += len(block)
        if count > _MOST_MANIFESTS or size > _LARGEST_LIST:
            raise LimitExceeded(f"{where} has more manifests than are read at once ({_MOST_MANIFESTS:,}).")
    schema = flatten(file.schema, where)
    if schema.column(_PATH) is None:
        raise CorruptTable(f"{where} has no manifest paths.")
    try:
        return decode_few_rows(schema, content)
    except UndecodableRowsError as error:
        raise CorruptTable(f"{where} cannot be decoded: {error}.") from error


def _manifest(row: dict[str, Any], where: str) -> ManifestFile:
    if row[_PATH] is None:
        raise CorruptTable(f"{where} has an entry without a path.")
    path = file_location(row[_PATH], where)
    content = row.get(_CONTENT) or DATA
    if content not in {DATA, DELETES}:
        raise UnsupportedTableFeature(f"{where} has a manifest of the unknown content {content}: '{path}'.")
    if row.get(_KEY_METADATA):
        raise UnsupportedTableFeature(f"The manifest '{path}' is encrypted, which is not supported.")
    added, existing = row.get(_ADDED), row.get(_EXISTING)
    return ManifestFile(
        path=path,
        length=max(row.get(_LENGTH) or 0, 0),
        content=content,
        spec_id=row.get(_SPEC),
        live=None if added is None or existing is None else max(added, 0) + max(existing, 0),
        sequence_number=row.get(_SEQUENCE) or 0,
        snapshot_id=row.get(_SNAPSHOT),
        first_row_id=row.get(_FIRST_ROW),
    )
