"""What schema on read means for the data files: under which names each of them has the table's columns."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from converters.hudi.reading.table_state import TableState
from converters.hudi.schema.internal_schema import SchemaVersions, read_schema_versions
from converters.model.schema import Schema
from converters.parquet.field_ids import renumbered

__all__ = ["ColumnHistory", "read_column_history"]


class ColumnHistory(msgspec.Struct, frozen=True):
    """How a table's columns were changed.

    Attributes:
        versions: All versions of its columns; None where schema on read was never used, so that columns are what
            their names say.
        keep_meta_columns: Whether the ``_hoodie_*`` columns are among its columns.
    """

    versions: SchemaVersions | None
    keep_meta_columns: bool

    def with_ids(self, schema: Schema) -> Schema:
        """The schema with the ids that its columns keep through renames."""
        if self.versions is None:
            return schema
        return renumbered(schema, self.versions.field_ids(keep_meta_columns=self.keep_meta_columns))

    def names_are_stable(self, instants: Iterable[str]) -> bool:
        """Whether files of these commits have each column under its present name, and no other column under it."""
        return self.versions is None or all(self._is_stable(self.versions, instant) for instant in instants)

    def _is_stable(self, versions: SchemaVersions, instant: str) -> bool:
        stored = {column.path for column in versions.at(instant).columns.values()}
        mine = versions.stored_columns(instant, keep_meta_columns=self.keep_meta_columns)
        for path, id_ in versions.field_ids(keep_meta_columns=self.keep_meta_columns).items():
            if (mine[id_].path != path) if id_ in mine else path in stored:
                return False
        return True


def read_column_history(state: TableState, *, keep_meta_columns: bool) -> ColumnHistory:
    """Read how a table's columns were changed.

    Raises:
        CorruptTable: A commit or an internal schema cannot be read.
    """
    if not state.writes:
        return ColumnHistory(None, keep_meta_columns)
    latest = state.commit(max(state.writes, key=lambda instant: instant.time))
    versions = read_schema_versions(state.storage, state.location, state.timeline, latest)
    return ColumnHistory(versions, keep_meta_columns)
