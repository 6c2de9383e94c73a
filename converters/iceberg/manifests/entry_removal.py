"""Deleting a few entries: the manifests that list them are written anew without them, all others stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from converters.iceberg.manifests.entry_copy import CopiedEntries
from converters.iceberg.manifests.entry_rows import EntryRow, OpenManifest
from converters.iceberg.manifests.entry_search import find_entries
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.partitions.order import PartitionSummary
from converters.iceberg.writing.summary import Count
from converters.storage.base import Storage

__all__ = ["EntryRemoval"]


class _Deleted(msgspec.Struct):
    """Deleted entries that go to one manifest."""

    header: dict[str, str]
    entries: list[bytes]
    rows: int
    partitions: tuple[PartitionSummary, ...] | None


class EntryRemoval:
    """Takes entries out of a snapshot's manifests.

    Attributes:
        kept: The manifests that stay as they are.
        partitions: The partitions of what was deleted, each with its spec.
    """

    def __init__(self, storage: Storage, manifests: Sequence[ListedManifest], spool: ManifestSpool) -> None:
        """Nothing is read yet; ``manifests`` are those of the snapshot before."""
        self._storage = storage
        self._spool = spool
        self._deleted: dict[tuple[int, int, str], _Deleted] = {}
        self.kept = list(manifests)
        self.partitions: set[tuple[int, tuple[Any, ...]]] = set()

    def remove(
        self, content: int, paths: pa.ChunkedArray | None, goes: Callable[[EntryRow], bool], count: Count
    ) -> int:
        """Delete entries.

        Args:
            content: ``DATA`` or ``DELETES``.
            paths: The data files that they are, or are about; None for all.
            goes: Asked for each that is found whether it is to be deleted.
            count: What is deleted is counted here.

        Returns:
            How many were found.

        Raises:
            CorruptTable: A manifest is missing or unreadable.
            FullSyncNeeded: One is written in a way that we do not write.
        """
        found = 0
        manifests = [each for each in self.kept if each.content == content]
        for manifest, entries in find_entries(self._storage, manifests, paths):
            found += len(entries)
            gone = [entry for entry in entries if goes(entry)]
            if gone:
                self._write_without(manifest, gone)
            for entry in gone:
                count.add(1, entry.rows, entry.size)
                self.partitions.add((manifest.listed.spec_id, entry.partition))
        return found

    def finish(self) -> None:
        """Write down what was deleted."""
        for (content, spec_id, _), deleted in self._deleted.items():
            count = len(deleted.entries)
            self._spool.write(
                deleted.header,
                [(count, b"".join(deleted.entries))],
                spec_id=spec_id,
                files=(0, 0, count),
                rows=(0, 0, deleted.rows),
                min_sequence_number=self._spool.sequence_number,
                partitions=deleted.partitions,
                kind=content,
            )

    def _write_without(self, manifest: OpenManifest, gone: list[EntryRow]) -> None:
        listed, copied = manifest.listed, CopiedEntries(manifest)
        self.kept.remove(listed)
        rows = sum(entry.rows for entry in gone)
        if len(gone) < listed.live_files:
            self._spool.write(
                copied.header,
                copied.blocks({entry.number for entry in gone}),
                spec_id=listed.spec_id,
                files=(0, listed.live_files - len(gone), 0),
                rows=(0, listed.live_rows - rows, 0),
                min_sequence_number=listed.min_sequence_number,
                partitions=listed.partitions,
                kind=listed.content,
            )
        key = (listed.content, listed.spec_id, copied.header["avro.schema"])
        known = self._deleted.get(key)
        entries = copied.deleted(gone, self._spool.snapshot_id)
        if known is None:
            self._deleted[key] = _Deleted(copied.header, entries, rows, listed.partitions)
            return
        known.entries += entries
        known.rows += rows
        if known.partitions != listed.partitions:
            known.partitions = None
