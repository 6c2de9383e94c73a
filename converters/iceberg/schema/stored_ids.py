"""Whether a table's data files have field ids."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.iceberg.manifests.reader import FILE_COLUMNS, FORMAT, PATH, SIZE, read_entries
from converters.iceberg.metadata.history import has_name_mapping
from converters.iceberg.metadata.view import View
from converters.model.snapshot import FieldIds
from converters.storage.base import Storage
from converters.storage.location import canonical_all

__all__ = ["StoredIds"]

_FOOTERS_AT_ONCE = 4096


class StoredIds:
    """Iceberg's writers write field ids, and other files need a name mapping.

    Where the table has one, only the files themselves tell, and are asked if it matters: if columns were renamed.
    """

    def __init__(self, storage: Storage) -> None:
        """Name where the files are."""
        self._storage = storage
        self._known: tuple[View, FieldIds] | None = None

    def of(self, view: View) -> FieldIds:
        """As ``Table.field_ids``; the last answer is remembered.

        Raises:
            CorruptTable: A manifest or data file cannot be read.
        """
        if not has_name_mapping(view.loaded.metadata):
            return "all"
        if view.has_stable_names:
            return "unknown"
        if self._known is None or self._known[0] is not view:
            self._known = (view, self._in_files(view))
        return self._known[1]

    def _in_files(self, view: View) -> FieldIds:
        from converters.parquet.footers import field_id_presence  # noqa: PLC0415 - heavy and rarely needed

        found: set[FieldIds] = set()
        for entries in read_entries(self._storage, view.data, _FOOTERS_AT_ONCE, FILE_COLUMNS):
            parquet = entries.table.filter(pc.equal(pc.utf8_upper(entries.table.column(FORMAT)), "PARQUET"))
            paths = canonical_all(parquet.column(PATH).cast(pa.string()).combine_chunks())
            self._storage.roots.check_all(paths)
            found.add(field_id_presence(self._storage, paths.to_pylist(), parquet.column(SIZE).to_pylist()))
            if len(found) > 1 or "unknown" in found:
                return "unknown"
        return found.pop() if found else "unknown"
