"""A snapshot's manifests as its manifest list has them, whole, so that they can be listed again unread.

Source: Iceberg spec, "Manifest Lists".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec

from converters.avro.container import blocks, open_avro
from converters.errors import CorruptTable, ObjectNotFound, TablecastError
from converters.iceberg.manifests.avro_schema import flatten
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.metadata.location import file_location
from converters.iceberg.metadata.structs import SnapshotJson
from converters.iceberg.partitions.order import PartitionSummary
from converters.storage.base import Storage

__all__ = ["ListedManifest", "read_listed"]


class ListedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """One manifest of a snapshot.

    Attributes:
        path: Where it is, as written.
        length: Its bytes.
        spec_id: The partition spec of its entries.
        content: ``DATA`` or ``DELETES``.
        sequence_number: Of the snapshot that added it.
        min_sequence_number: The lowest data sequence number of a live entry.
        snapshot_id: The snapshot that added it.
        files: How many entries are added, existing and deleted.
        rows: How many rows these have.
        partitions: A summary for each partition field; None = unknown.
        first_row_id: The first id for rows that have none yet (version 3); None = not given yet, or deletes.
    """

    path: str
    length: int
    spec_id: int
    content: int = DATA
    sequence_number: int
    min_sequence_number: int
    snapshot_id: int
    files: tuple[int, int, int]
    rows: tuple[int, int, int]
    partitions: tuple[PartitionSummary, ...] | None = ()
    first_row_id: int | None = None

    @property
    def live_files(self) -> int:
        """How many entries are not deleted."""
        return self.files[0] + self.files[1]

    @property
    def live_rows(self) -> int:
        """How many rows these have."""
        return self.rows[0] + self.rows[1]


class _Summary(msgspec.Struct, frozen=True, kw_only=True):
    contains_null: bool
    contains_nan: bool | None = None
    lower_bound: bytes | None = None
    upper_bound: bytes | None = None


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    """What every list of version 2 or 3 has, under the names of its flat schema."""

    path: str = msgspec.field(name="f500")
    length: int = msgspec.field(name="f501")
    spec_id: int = msgspec.field(name="f502")
    content: int = msgspec.field(name="f517")
    sequence_number: int = msgspec.field(name="f515")
    min_sequence_number: int = msgspec.field(name="f516")
    snapshot_id: int = msgspec.field(name="f503")
    added_files: int = msgspec.field(name="f504")
    existing_files: int = msgspec.field(name="f505")
    deleted_files: int = msgspec.field(name="f506")
    added_rows: int = msgspec.field(name="f512")
    existing_rows: int = msgspec.field(name="f513")
    deleted_rows: int = msgspec.field(name="f514")
    partitions: tuple[_Summary, ...] | None = msgspec.field(name="f507", default=None)
    key_metadata: bytes | None = msgspec.field(name="f519", default=None)
    first_row_id: int | None = msgspec.field(name="f520", default=None)


def read_listed(storage: Storage, snapshot: SnapshotJson) -> list[ListedManifest]:
    """Read a snapshot's manifest list.

    Raises:
        CorruptTable: It is missing or unreadable, or not of version 2 or 3.
    """
    owner = f"The snapshot {snapshot.snapshot_id}"
    if snapshot.manifest_list is None:
        raise CorruptTable(f"{owner} names no manifest list.")
    path = file_location(snapshot.manifest_list, owner)
    where = f"The manifest list '{path}'"
    try:
        data = storage.get(path)
    except ObjectNotFound as error:
        raise CorruptTable(f"{where} of snapshot {snapshot.snapshot_id} does not exist.") from error
    return [_listed(row, where) for row in _rows(data, where)]


def _rows(data: bytes, where: str) -> Iterator[_Row]:
    import fastavro  # noqa: PLC0415 - heavy

    file = open_avro(data, where)
    text = flatten(file.schema, where).text
    try:
        schema: Any = fastavro.parse_schema(msgspec.json.decode(text))
        for count, content in blocks(file):
            stream = io.BytesIO(content)
            for _ in range(count):
                yield msgspec.convert(fastavro.schemaless_reader(stream, schema, None), _Row)
            if stream.tell() != len(content):
                raise ValueError("a block is longer than its rows")  # noqa: TRY301 - as any other damage
    except TablecastError:
        raise
    except Exception as error:  # a decoder may say anything of bytes that are no rows
        raise CorruptTable(f"{where} cannot be decoded: {str(error)[:200] or type(error).__name__}.") from error


def _listed(row: _Row, where: str) -> ListedManifest:
    if row.key_metadata is not None:
        raise CorruptTable(f"{where} has an encrypted manifest, which no sync wrote: '{row.path}'.")
    return ListedManifest(
        path=row.path,
        length=row.length,
        spec_id=row.spec_id,
        content=row.content,
        sequence_number=row.sequence_number,
        min_sequence_number=row.min_sequence_number,
        snapshot_id=row.snapshot_id,
        files=(row.added_files, row.existing_files, row.deleted_files),
        rows=(row.added_rows, row.existing_rows, row.deleted_rows),
        partitions=None if row.partitions is None else tuple(_summary(each) for each in row.partitions),
        first_row_id=row.first_row_id,
    )


def _summary(found: _Summary) -> PartitionSummary:
    return PartitionSummary(
        contains_null=found.contains_null,
        contains_nan=found.contains_nan,
        lower=found.lower_bound,
        upper=found.upper_bound,
    )
