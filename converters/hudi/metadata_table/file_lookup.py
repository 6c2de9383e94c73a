"""Finding some of a table's files in its metadata table, without reading what it says of the others."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.lockstep import DamagedRecordsError
from converters.avro.shapes import Shape, read_shape
from converters.hudi.containers.delete_block import DeletedKeys
from converters.hudi.containers.hfile_lookup import HFileLookup
from converters.hudi.containers.hfile_reader import HFile
from converters.hudi.metadata_table.file_names import FILES
from converters.hudi.metadata_table.files import FILES_COLUMNS, newest_entries
from converters.hudi.metadata_table.keys import partition_key
from converters.hudi.metadata_table.listed_entries import entries_in
from converters.hudi.metadata_table.slices import read_logs, where_of
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.writing.source_files import partition_runs

__all__ = ["listed_files"]


def listed_files(table: MetadataTable, files: pa.Table) -> pa.Table:
    """What the metadata table lists under the names of some files.

    Costs what the records of the files' partitions are large, and the log files.

    Args:
        table: The metadata table.
        files: ``partition`` (dictionary encoded) and ``name`` (string, as the files are called in their directories).

    Returns:
        As ``MetadataTable.files``, of at least these files, as often as they are listed.

    Raises:
        CorruptTable: A file is damaged.
        UnsupportedTableFeature: A file is of a form that is not supported.
    """
    return _Search(table, files).run()


_MOST_PARTITIONS = 500
"""Of more, looking them up one by one would be slower than reading all."""


class _Search:
    def __init__(self, table: MetadataTable, files: pa.Table) -> None:
        self._table = table
        ordered, runs = partition_runs(files)
        # In the order of the keys.
        self._names = {path: ordered["name"][start:end].combine_chunks() for path, start, end in runs}
        self._found: list[pa.Table] = []

    def run(self) -> pa.Table:
        if not self._names:
            return FILES_COLUMNS.empty_table()
        table = self._table
        if len(self._names) > _MOST_PARTITIONS:
            return table.files()
        try:
            can_look_up = self._look_up()
        except (DamagedRecordsError, pa.ArrowInvalid):
            # Either of a form that only a whole read understands, or damaged, which that tells.
            return table.files()
        if not can_look_up:
            return table.files()
        if not self._found:
            return FILES_COLUMNS.empty_table()
        return newest_entries(self._found) if self._has_changes() else _plain(self._found)

    def _look_up(self) -> bool:
        """Whether it could be done."""
        table = self._table
        for each in table.slices[FILES]:
            if each.base is not None:
                where = where_of(each.base)
                base = HFileLookup(table.storage, each.base, where)
                if not base.can_look_up:
                    return False
                shape = read_shape(base.schema, where)
                for path in self._names:
                    self._take(path, base.find(partition_key(path).encode()), shape, where)
            for content in read_logs(table.storage, each, table.timeline, table.pending):
                self._take_changes(content)
        return True

    def _take_changes(self, content: HFile | DeletedKeys) -> None:
        if isinstance(content, DeletedKeys):
            gone = content.keys.cast(pa.string())
            paths = [path for path in self._names if pc.is_in(pa.scalar(partition_key(path)), value_set=gone).as_py()]
            mine = pa.array(paths, pa.string())
            self._found = [each.filter(pc.invert(pc.is_in(each["partition"], value_set=mine))) for each in self._found]
            return
        if not len(content.entries):
            return
        where = f"The metadata table's partition '{self._table.location}/{FILES}'"
        shape = read_shape(content.schema, where)
        rows = {key: row for row, key in enumerate(content.keys.to_pylist())}
        entries = content.entries
        for path in self._names:
            row = rows.get(partition_key(path).encode())
            if row is not None:
                start = int(entries.value_starts[row])
                value = bytes(entries.data[start : start + int(entries.value_lengths[row])])
                self._take(path, iter((value,)), shape, where)

    def _take(self, path: str, value: Iterator[bytes] | None, shape: Shape, where: str) -> None:
        if value is None:
            return
        for part in entries_in(value, shape, self._names[path], where):
            if len(part):
                named = part.append_column("partition", pa.repeat(pa.scalar(path), len(part)))
                self._found.append(named.select(["partition", "name", "size", "deleted"]))

    def _has_changes(self) -> bool:
        together = pa.concat_tables(self._found)
        names = pc.binary_join_element_wise(together["partition"], together["name"], "\0")
        return bool(pc.any(together["deleted"]).as_py()) or pc.count_distinct(names).as_py() < len(together)


def _plain(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables).select(["partition", "name", "size"]).cast(FILES_COLUMNS)
