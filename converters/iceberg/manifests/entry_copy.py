"""Taking the entries of a manifest over into a new one, except some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from converters.avro.container import varint
from converters.avro.reader import UndecodableRowsError, decode_rows
from converters.avro.writer import binary_from_matrix, varints
from converters.errors import CorruptTable, FullSyncNeeded
from converters.iceberg.manifests.entry_layout import DELETED, EXISTING
from converters.iceberg.manifests.entry_rows import EntryRow, OpenManifest
from converters.iceberg.manifests.schemas import FIRST_ROW_ID

__all__ = ["CopiedEntries"]

_STATUS, _PATH, _ROWS, _FIRST_ROW = "f0", "f100", "f103", "f142"
_NULL, _VALUE = b"\x00", b"\x02"
_HAS_ID = -1
_ALL_HAVE_IDS = "tablecast.row-ids"
"""Key in the header of manifests all of whose entries have their first row ids."""

IntArray = npt.NDArray[np.int64]


class CopiedEntries:
    """The live entries of a manifest, as existing ones, and its header.

    Attributes:
        header: The header of a manifest that has them.
        listed: The manifest that they are taken from.
    """

    def __init__(self, manifest: OpenManifest) -> None:
        """Copy nothing yet.

        Raises:
            FullSyncNeeded: Row ids cannot be put where this manifest's entries should have them.
        """
        self._manifest = manifest
        self.listed = manifest.listed
        self.header = {key: value.decode() for key, value in manifest.file.metadata.items() if key != "avro.codec"}
        self._row_ids = _row_ids(manifest)
        if self._row_ids is not None:
            self._add_row_ids()

    def blocks(self, without: AbstractSet[int]) -> Iterator[tuple[int, bytes]]:
        """Blocks of the entries that are live, but those with these numbers."""
        manifest = self._manifest
        for place, (count, data) in enumerate(manifest.blocks):
            start = manifest.starts[place]
            if without.isdisjoint(range(start, start + count)):
                copied = self._copied(place, count, data)
                if copied is not None:
                    yield count, copied
                    continue
            kept = [
                entry.encoded(EXISTING, entry.snapshot_id)
                for entry in map(self._with_row_id, manifest.live(place))
                if entry.number not in without
            ]
            if kept:
                yield len(kept), b"".join(kept)

    def deleted(self, entries: Sequence[EntryRow], snapshot_id: int) -> list[bytes]:
        """Some entries, deleted by a snapshot."""
        return [self._with_row_id(entry).encoded(DELETED, snapshot_id) for entry in entries]

    def _copied(self, place: int, count: int, data: bytes) -> bytes | None:
        """A block taken over without looking at its entries one by one; None where that cannot be."""
        manifest = self._manifest
        added, existing, deleted = manifest.listed.files
        if self._row_ids is None and not added and not deleted:
            return data
        head = manifest.uniform_head()
        if head is None or not added or existing or not data.startswith(head) or data.count(head) != count:
            return None
        if self._row_ids is None:
            return data.replace(head, manifest.taken_over_head())
        start = manifest.starts[place]
        ids = self._row_ids[start : start + count]
        if (ids == _HAS_ID).any():
            return None
        cells = varints(ids, prefix=_VALUE)
        tails: list[bytes] = (binary_from_matrix(cells) if isinstance(cells, np.ndarray) else cells).to_pylist()
        end = -len(_NULL) if self._has_column else None
        bodies = [body[:end] + tail for body, tail in zip(data.split(head)[1:], tails, strict=True)]
        return manifest.taken_over_head() + manifest.taken_over_head().join(bodies)

    def _with_row_id(self, entry: EntryRow) -> EntryRow:
        if self._row_ids is not None and entry.first_row_id is None:
            entry.first_row_id = int(self._row_ids[entry.number])
            entry.body = self._identified(entry.body, entry.first_row_id)
        return entry

    def _identified(self, body: bytes, first_row_id: int) -> bytes:
        """An entry's body with its first row id, which is the last thing in it."""
        if not self._has_column:
            return body + _VALUE + varint(first_row_id)
        return body[: -len(_NULL)] + _VALUE + varint(first_row_id)

    def _add_row_ids(self) -> None:
        """Make the header have a column for them."""
        self.header[_ALL_HAVE_IDS] = "true"
        names = [column.name for column in self._manifest.schema.columns]
        self._has_column = _FIRST_ROW in names
        if self._has_column:
            if names[-1] != _FIRST_ROW:
                raise FullSyncNeeded(f"row ids are not last in the target's manifest '{self._manifest.listed.path}'")
            return
        schema = msgspec.json.decode(self.header["avro.schema"])
        schema["fields"][-1]["type"]["fields"].append(FIRST_ROW_ID)
        self.header["avro.schema"] = msgspec.json.encode(schema).decode()
        self.header["format-version"] = "3"


def _row_ids(manifest: OpenManifest) -> IntArray | None:
    """Each entry's first row id as it is inherited (Iceberg spec, "First Row ID Inheritance"), or ``_HAS_ID``.

    None where none is, because there are no ids or the entries have them all.
    """
    first = manifest.listed.first_row_id
    if first is None or _ALL_HAVE_IDS in manifest.file.metadata:
        return None
    count = manifest.starts[-1]
    wanted = [_STATUS, _PATH, _ROWS, _FIRST_ROW]
    try:
        table = decode_rows(manifest.schema, count, [data for _, data in manifest.blocks], wanted, key=_PATH)
    except UndecodableRowsError as error:
        raise CorruptTable(f"{manifest.file.where} cannot be decoded: {error}.") from error
    inherits = table.column(_STATUS).to_numpy() != DELETED
    if _FIRST_ROW in table.column_names:
        inherits &= pc.is_null(table.column(_FIRST_ROW)).to_numpy()
    if not inherits.any():
        return None
    rows: IntArray = np.where(inherits, table.column(_ROWS).to_numpy(), 0)
    found: IntArray = np.where(inherits, first + np.cumsum(rows) - rows, _HAS_ID)
    return found
