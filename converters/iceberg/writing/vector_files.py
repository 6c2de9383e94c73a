"""Deletion vectors as Iceberg has them from version 3: blobs in Puffin files, and a manifest entry for each.

The blobs are those of the source, byte for byte (see ``converters.model.deletion_vector``).
"""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.deletes.reader import read_blobs
from converters.iceberg.manifests.delete_layout import delete_layout
from converters.iceberg.manifests.entry_layout import ADDED, EntryLayout
from converters.iceberg.manifests.spool import Keep
from converters.iceberg.manifests.writer import ManifestWriter
from converters.iceberg.writing.commit import NewFile
from converters.iceberg.writing.puffin_writer import PuffinWriter
from converters.storage.base import Storage

__all__ = ["VectorFiles"]

_LARGEST_PUFFIN = 64 * 2**20
_BATCH = 10_000


class _Pending(msgspec.Struct, frozen=True):
    """Vectors in the Puffin file that is being written, whose size is not known yet."""

    layout: EntryLayout
    files: pa.RecordBatch
    offsets: list[int]
    lengths: list[int]


class VectorFiles:
    """Collects the deletion vectors of a snapshot's files.

    Attributes:
        files: The Puffin files, to be stored with the snapshot.
    """

    def __init__(self, storage: Storage, prefix: str, writer: ManifestWriter, keep: Keep) -> None:
        """Write nothing yet.

        Args:
            storage: Where the source's blobs are.
            prefix: What the names of Puffin files begin with.
            writer: Takes the entries.
            keep: Where finished files wait.
        """
        self._storage = storage
        self._prefix = prefix
        self._writer = writer
        self._keep = keep
        self._puffin = PuffinWriter()
        self._pending: list[_Pending] = []
        self.files: list[NewFile] = []

    def add(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        """Carry the vectors of some data files, all of which have one.

        Raises:
            CorruptTable: A blob is missing or damaged.
            LimitExceeded: A blob is too large.
        """
        for start in range(0, len(files), _BATCH):
            self._add(delete_layout(layout, format_version=3), files.slice(start, _BATCH))

    def finish(self) -> None:
        """Finish the last file."""
        if not self._pending:
            return
        path = f"{self._prefix}-dv{len(self.files)}.puffin"
        data = self._puffin.finish()
        self.files.append((path, self._keep(data)))
        for pending in self._pending:
            self._writer.add(_entries(pending, path, len(data)), pending.layout, ADDED)
        self._pending.clear()
        self._puffin = PuffinWriter()

    def _add(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        vectors, paths = files.column("deletion_vector"), files.column("path")
        ids, counts = vectors.field("id").to_pylist(), vectors.field("cardinality").to_pylist()
        offsets: list[int] = []
        lengths: list[int] = []
        first = 0
        named: list[Any] = paths.to_pylist()
        for place, blob in enumerate(read_blobs(self._storage, vectors, paths)):
            offsets.append(self._puffin.add(blob, named[place], counts[place], ids[place]))
            lengths.append(len(blob))
            if self._puffin.size > _LARGEST_PUFFIN:
                self._hold(layout, files.slice(first, place + 1 - first), offsets, lengths)
                self.finish()
                first, offsets, lengths = place + 1, [], []
        self._hold(layout, files.slice(first), offsets, lengths)

    def _hold(self, layout: EntryLayout, files: pa.RecordBatch, offsets: list[int], lengths: list[int]) -> None:
        if len(files):
            small = files.select(["path", "spec_id", "partition", "deletion_vector"])
            self._pending.append(_Pending(layout, small, offsets, lengths))


def _entries(pending: _Pending, path: str, size: int) -> pa.RecordBatch:
    files, rows = pending.files, len(pending.files)
    vectors = files.column("deletion_vector")
    return pa.RecordBatch.from_pydict(
        {
            "path": pa.repeat(pa.scalar(path), rows),
            "size": pa.repeat(pa.scalar(size, pa.int64()), rows),
            "row_count": pc.struct_field(vectors, "cardinality"),
            "file_format": pa.repeat(pa.scalar("PUFFIN"), rows),
            "spec_id": files.column("spec_id"),
            "partition": files.column("partition"),
            "stats": pa.array([{}] * rows, pa.struct([])),
            "referenced_data_file": files.column("path"),
            "content_offset": pa.array(pending.offsets, pa.int64()),
            "content_size": pa.array(pending.lengths, pa.int64()),
        }
    )
