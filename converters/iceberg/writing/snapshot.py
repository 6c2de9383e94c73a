"""The new entries of a snapshot: data files, and the deletion vectors of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.entry_layout import ADDED, DELETED, EntryLayout
from converters.iceberg.manifests.list_reader import DELETES
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.manifests.writer import ManifestWriter
from converters.iceberg.statistics.metrics_modes import InexactColumns
from converters.iceberg.writing.commit import NewFile
from converters.iceberg.writing.position_delete_files import PositionDeleteFiles
from converters.iceberg.writing.summary import Tally
from converters.iceberg.writing.table_plan import TablePlan
from converters.iceberg.writing.vector_files import VectorFiles
from converters.storage.base import Storage

__all__ = ["SnapshotWriter"]


class SnapshotWriter:
    """Takes batches of the source's files.

    Attributes:
        data: Takes the entries of data files.
        deletes: Takes the entries of deletion vectors.
        tally: What the snapshot adds and removes; complete when finished.
    """

    def __init__(self, storage: Storage, plan: TablePlan, spool: ManifestSpool, prefix: str) -> None:
        """Write nothing yet.

        Args:
            storage: Where the source's deletion vectors are.
            plan: The next version of the table.
            spool: Where finished manifests go.
            prefix: What the names of new files begin with.
        """
        touched: dict[int, list[pa.Table]] = {}
        self._plan = plan
        self.data = ManifestWriter(spool, plan.schema.json, plan.spec_json, touched=touched)
        self.deletes = ManifestWriter(spool, plan.schema.json, plan.spec_json, DELETES, touched)
        kind = VectorFiles if plan.deletes_as == "dvs" else PositionDeleteFiles
        self._vectors = kind(storage, prefix, self.deletes, spool.keep)
        self._inexact = InexactColumns(plan.leaves)
        self.tally = Tally(
            added=self.data.totals[ADDED],
            removed=self.data.totals[DELETED],
            added_deletes=self.deletes.totals[ADDED],
            removed_deletes=self.deletes.totals[DELETED],
        )

    @property
    def files(self) -> list[NewFile]:
        """Files besides manifests that have to be stored."""
        return self._vectors.files

    @property
    def inexact(self) -> set[int]:
        """Field ids of columns of which a bound is no value."""
        return self._inexact.field_ids

    def by_layout(self, batch: pa.RecordBatch) -> Iterator[tuple[EntryLayout, pa.RecordBatch]]:
        """Take note of a batch, and part it; see ``TablePlan.by_layout``."""
        self._inexact.see(batch)
        return self._plan.by_layout(batch)

    def add(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        """Add data files."""
        self.data.add(files, layout, ADDED)

    def add_vectors(self, layout: EntryLayout, files: pa.RecordBatch) -> None:
        """Add the deletion vectors of those of the files that have one.

        Raises:
            CorruptTable: One is missing or damaged.
            LimitExceeded: One is too large.
        """
        vectors = files.column("deletion_vector")
        if vectors.null_count == len(vectors):
            return
        self._plan.delete_rows()
        self._vectors.add(layout, files.filter(pc.is_valid(vectors)))

    def finish(self, removed_from: set[tuple[int, tuple[Any, ...]]] | None = None) -> Tally:
        """Write what is still held.

        Args:
            removed_from: The partitions of entries that were deleted elsewhere.
        """
        self._vectors.finish()
        self.data.finish()
        self.deletes.finish()
        changed = self.data.changed_partitions()
        if not changed or not removed_from:
            self.tally.changed_partitions = changed or len(removed_from or ())
        elif all(not partition for _, partition in removed_from):
            self.tally.changed_partitions = changed
        else:
            self.tally.changed_partitions = None
        return self.tally
