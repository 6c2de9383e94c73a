"""Entries of a manifest as they stand in its blocks: found, and taken over with another head, undecoded.

An entry begins with its status, snapshot id and sequence numbers; what follows, statistics and all, is copied
(Iceberg spec, "Manifests", ``manifest_entry``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec

from converters.avro.container import AvroFile, blocks, open_avro, varint
from converters.avro.reader import FlatSchema
from converters.errors import CorruptTable, FullSyncNeeded, ObjectNotFound
from converters.iceberg.manifests.avro_schema import flatten
from converters.iceberg.manifests.entry_layout import ADDED, DELETED, EXISTING, Status
from converters.iceberg.manifests.list_reader import DATA
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.metadata.location import file_location
from converters.storage.base import Storage

__all__ = ["EntryRow", "OpenManifest", "entry_head"]

_NULL, _VALUE = b"\x00", b"\x02"
_PATH, _REFERENCED, _FIRST_ROW = "f100", "f143", "f142"
_WANTED = ("f0", "f1", "f3", "f4", _PATH, "f103", "f104", _FIRST_ROW, _REFERENCED, "f144", "f145")


class EntryRow(msgspec.Struct):
    """One entry.

    Attributes:
        number: Its place in the manifest.
        status: Whether it is live.
        key: The data file that it is, or is about.
        path: The file itself.
        offset: Where in it a deletion vector begins; None for other files.
        rows: Rows of a data file, positions of a delete file.
        size: Bytes of the data file, delete file or deletion vector.
        partition: The values of its partition fields.
        snapshot_id: Its own, or the manifest's.
        sequence_number: Likewise.
        file_sequence_number: Likewise.
        first_row_id: As it stands.
        body: What follows the head.
    """

    number: int
    status: int
    key: str
    path: str
    offset: int | None
    rows: int
    size: int
    partition: tuple[Any, ...]
    snapshot_id: int
    sequence_number: int
    file_sequence_number: int
    first_row_id: int | None
    body: bytes

    def encoded(self, status: Status, snapshot_id: int) -> bytes:
        """The entry with another status; ``snapshot_id`` is what it says of who made it so."""
        return entry_head(status, snapshot_id, self.sequence_number, self.file_sequence_number) + self.body


def entry_head(
    status: Status, snapshot_id: int, sequence_number: int | None, file_sequence_number: int | None
) -> bytes:
    """The head of an entry."""
    return b"".join(
        [varint(status), _VALUE, varint(snapshot_id), _number(sequence_number), _number(file_sequence_number)]
    )


def _number(value: int | None) -> bytes:
    return _NULL if value is None else _VALUE + varint(value)


class OpenManifest:
    """A manifest that was read, block by block, its entries encoded.

    Attributes:
        listed: How it is listed.
        file: The container.
        schema: Of its entries.
        blocks: How many entries each block has, and these.
    """

    def __init__(self, storage: Storage, listed: ListedManifest) -> None:
        """Read it.

        Raises:
            CorruptTable: It is missing or unreadable.
        """
        self.listed = listed
        path = file_location(listed.path, "The manifest list")
        where = f"The manifest '{path}'"
        try:
            self.file: AvroFile = open_avro(storage.get(path), where)
        except ObjectNotFound as error:
            raise CorruptTable(f"{where} does not exist.") from error
        self.schema: FlatSchema = flatten(self.file.schema, where)
        self.blocks: list[tuple[int, bytes]] = list(blocks(self.file))
        self.starts = [0]
        for count, _ in self.blocks:
            self.starts.append(self.starts[-1] + count)
        self._reader: tuple[Any, Any] | None = None
        self._live: dict[int, list[EntryRow]] = {}

    @property
    def key(self) -> str:
        """The column that names the data file which an entry is, or is about."""
        return _PATH if self.listed.content == DATA else _REFERENCED

    def live(self, place: int) -> list[EntryRow]:
        """The entries of a block that are not deleted; remembered, as who finds some also copies the others.

        Raises:
            CorruptTable: They cannot be decoded.
            FullSyncNeeded: They are written in a way that we do not write.
        """
        if place not in self._live:
            self._live[place] = [row for row in self._rows(place) if row.status != DELETED]
        return self._live[place]

    def _rows(self, place: int) -> Iterator[EntryRow]:
        import fastavro  # noqa: PLC0415 - heavy

        count, data = self.blocks[place]
        writer, reader = self._schemas()
        stream = io.BytesIO(data)
        for number in range(count):
            start = stream.tell()
            try:
                found: Any = fastavro.schemaless_reader(stream, writer, reader)
            except Exception as error:  # a decoder may say anything of bytes that are no entries
                raise CorruptTable(f"{self.file.where} cannot be decoded: {str(error)[:200]}.") from error
            yield self._row(self.starts[place] + number, found, data[start : stream.tell()])
        if stream.tell() != len(data):
            raise CorruptTable(f"{self.file.where} cannot be decoded: a block is longer than its entries.")

    def _row(self, number: int, found: dict[str, Any], data: bytes) -> EntryRow:
        listed = self.listed
        status, key = found["f0"], found.get(self.key)
        snapshot_id, sequence, file_sequence = found.get("f1"), found.get("f3"), found.get("f4")
        head = b"".join([varint(status), _number(snapshot_id), _number(sequence), _number(file_sequence)])
        inherits = status == ADDED or listed.sequence_number == 0
        if not data.startswith(head) or key is None or (not inherits and (sequence is None or file_sequence is None)):
            raise FullSyncNeeded(f"the target's manifest '{listed.path}' has entries that cannot be copied")
        return EntryRow(
            number=number,
            status=status,
            key=key,
            path=found[_PATH],
            offset=found.get("f144"),
            rows=found["f103"],
            size=found.get("f145") or found["f104"],
            partition=tuple(value for name, value in found.items() if name[0] in "pq"),
            snapshot_id=listed.snapshot_id if snapshot_id is None else snapshot_id,
            sequence_number=listed.sequence_number if sequence is None else sequence,
            file_sequence_number=listed.sequence_number if file_sequence is None else file_sequence,
            first_row_id=found.get(_FIRST_ROW),
            body=data[len(head) :],
        )

    def _schemas(self) -> tuple[Any, Any]:
        import fastavro  # noqa: PLC0415 - heavy

        if self._reader is None:
            flat = msgspec.json.decode(self.schema.text)
            names = [field["name"] for field in flat["fields"]]
            if names[:1] != ["f0"] or not {_PATH, "f103", "f104", self.key} <= set(names):
                raise FullSyncNeeded(f"the target's manifest '{self.listed.path}' has no column '{self.key}'")
            wanted = [field for field in flat["fields"] if field["name"] in _WANTED or field["name"][0] in "pq"]
            parse: Any = fastavro.parse_schema
            self._reader = parse(flat), parse({**flat, "fields": wanted})
        return self._reader

    def uniform_head(self) -> bytes | None:
        """What every entry begins with, if all were added by one snapshot and inherit their sequence numbers."""
        _, existing, deleted = self.listed.files
        return None if existing or deleted else entry_head(ADDED, self.listed.snapshot_id, None, None)

    def taken_over_head(self) -> bytes:
        """What takes the place of ``uniform_head`` in a later snapshot."""
        listed = self.listed
        return entry_head(EXISTING, listed.snapshot_id, listed.sequence_number, listed.sequence_number)
