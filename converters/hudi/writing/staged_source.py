"""The source's files, all of them read before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa

from converters.hudi.writing.layout import LayoutPlan
from converters.hudi.writing.source_files import SourceFiles
from converters.model.deletion_vector import refuse_deletion_vectors
from converters.staging import StagedFiles, no_room

__all__ = ["StagedSource"]

_PURGE = "Rewrite such files first (Delta: REORG TABLE … APPLY (PURGE); Iceberg: CALL rewrite_data_files)."


class StagedSource:
    """Files with their statistics, which may be on disk; a context manager.

    Attributes:
        files: The files, to settle the layout with.
    """

    def __init__(self, plan: LayoutPlan, files: Iterable[pa.RecordBatch], *, needs_statistics: bool) -> None:
        """Take the files; they are read on entry.

        Args:
            plan: Checks them.
            files: ``DataFile`` batches.
            needs_statistics: Whether the target has any.
        """
        self._plan = plan
        self._batches = files
        self._needs_statistics = needs_statistics
        self._staged = StagedFiles()
        self.files = SourceFiles()

    def __enter__(self) -> Self:
        """Read all files.

        Raises:
            UnsupportedTableFeature: One has deleted rows, or cannot be in the table.
            CorruptTable: A row count is not known.
            StorageError: There is no room for temporary files.
        """
        self._staged.__enter__()
        try:
            for batch in self._batches:
                if not len(batch):
                    continue
                refuse_deletion_vectors(batch, "Hudi", hint=_PURGE)
                self.files.add(self._plan.look_at(batch), batch)
                if self._needs_statistics:
                    with no_room():
                        self._staged.add(batch.select(["row_count", "stats"]))
        except BaseException:
            self._staged.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up what is on disk."""
        self._staged.__exit__(kind, error, trace)

    def table(self) -> pa.Table:
        """See ``SourceFiles.table``."""
        return self.files.table()

    def batches(self) -> Sequence[pa.RecordBatch]:
        """``row_count`` and ``stats`` of the files, in their order; nothing where they are not needed."""
        return list(self._staged.batches())
