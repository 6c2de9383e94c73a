"""The columns of a table that is there whose statistics a commit keeps up."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pyarrow as pa

from converters.hudi.metadata_table.file_names import COLUMN_STATS
from converters.hudi.metadata_table.records import column_stats_tombstones
from converters.hudi.schema.reader import read_schema
from converters.hudi.writing.base import Base
from converters.hudi.writing.column_fillers import is_filled_alike
from converters.hudi.writing.column_index import ColumnIndex
from converters.hudi.writing.layout import Layout

__all__ = ["IndexedColumns", "indexed_columns"]


def indexed_columns(base: Base) -> tuple[str, ...] | None:
    """The columns whose statistics a sync keeps up; None where it keeps up none."""
    return base.config.indexed_columns if COLUMN_STATS in base.config.metadata_partitions else None


class IndexedColumns:
    """What a commit has to know of them.

    Attributes:
        index: The columns, as the commit's schema has them.
    """

    def __init__(self, base: Base, layout: Layout) -> None:
        """Take the table as it is and as it is to be."""
        self._base = base
        self._layout = layout
        self._names = indexed_columns(base)
        self.index = ColumnIndex.of(self._names or (), layout.schema, layout.partition_columns)

    @property
    def are_kept_up(self) -> bool:
        """Whether there are any."""
        return self._names is not None

    @functools.cached_property
    def retyped(self) -> list[str]:
        """Those that are of another type than before: Hudi does not read the old bounds as the new type."""
        text = self._base.schema_text
        if not text or not self.index.columns or text == self._layout.schema_text:
            return []
        before = read_schema(text, keep_meta_columns=True)
        now = read_schema(self._layout.schema_text, keep_meta_columns=True)
        return [
            column.name
            for column in (*self.index.columns, *self.index.filled)
            if (old := before.field(column.name)) is not None
            and (new := now.field(column.name)) is not None
            and old.type != new.type
            and not (column in self.index.filled and is_filled_alike(old, new))
        ]

    def tombstones(self, files: pa.Table) -> Iterator[tuple[pa.Array, pa.Array]]:
        """The records that take the statistics of files away.

        Args:
            files: Of ``SOURCE_FILES``.
        """
        if not len(files):
            return
        partition = files["partition"].combine_chunks()
        fields = self._layout.schema.fields
        names = [field.name for field in fields] if self._names is None else self._names
        yield from column_stats_tombstones(
            partition.dictionary.take(partition.indices), files["name"].combine_chunks(), names
        )
