"""From live files as the log has them to the model's ``DataFile`` batches."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.deletion_vectors import deletion_vectors
from converters.delta.partitions.values import partition_values, texts_of
from converters.delta.statistics.reader import StatsReader
from converters.model.data_file import data_file_batch, data_file_schema, rows_per_batch
from converters.model.snapshot import Table
from converters.parquet.field_ids import FieldIdCheck, Samples
from converters.parquet.footers import row_counts
from converters.storage.base import Storage

__all__ = ["BatchMaker"]


class BatchMaker:
    """Makes ``DataFile`` batches of live files."""

    def __init__(self, storage: Storage, samples: Samples, table: Table, mode: str) -> None:
        """Prepare for a table, in its mode of column mapping."""
        self._storage = storage
        self._ids = FieldIdCheck(storage, samples, table.schema, table.field_ids, mode)
        self._location = table.location
        self._schema = table.schema
        self._spec = table.default_spec
        self._shape = data_file_schema(table.schema, table.specs)
        self._rows = rows_per_batch(table.schema)
        self._stats = StatsReader(table.schema)
        self._waiting: list[pa.Table] = []

    def add(self, files: pa.Table) -> Iterator[pa.RecordBatch]:
        """Take more files, and give the batches that are full."""
        if self._waiting and self._waiting[0].schema != files.schema:
            yield from self.rest()
        self._waiting.append(files)
        if sum(map(len, self._waiting)) < self._rows:
            return
        waiting = pa.concat_tables(self._waiting)
        full = len(waiting) - len(waiting) % self._rows
        self._waiting = [waiting.slice(full)] if full < len(waiting) else []
        for start in range(0, full, self._rows):
            yield self._batch(waiting.slice(start, self._rows))

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Give what waits for a batch to be full."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            yield self._batch(pa.concat_tables(waiting))

    def _batch(self, files: pa.Table) -> pa.RecordBatch:
        paths = files["path"].combine_chunks()
        sizes = files["size"].combine_chunks()
        self._ids.check(paths, sizes)
        stats = self._stats.read(files)
        vectors = deletion_vectors(
            files["vector"].combine_chunks(), files["deletion_vector"].combine_chunks(), paths, self._location
        )
        self._storage.roots.check_all(pc.struct_field(vectors, "path").drop_null())
        partition: dict[int, pa.Array] = {}
        for field in self._spec.fields:
            column = next(each for each in self._schema.fields if each.id == field.source_id)
            texts = texts_of(files["partition_values"], column.stored_name)
            partition[field.id] = partition_values(texts, column.type, column.name, paths)
        return data_file_batch(
            self._shape,
            {
                "path": paths,
                "size": sizes,
                "row_count": self._complete(stats.row_count, paths, sizes),
                "modified_at": files["modified_at"].combine_chunks(),
                "spec_id": pa.repeat(pa.scalar(self._spec.spec_id, pa.int32()), len(files)),
                "deletion_vector": vectors,
            },
            partition,
            stats.columns,
        )

    def _complete(self, counts: pa.Array, paths: pa.Array, sizes: pa.Array) -> pa.Array:
        """Fill in the row counts that the log does not know, from the files' footers."""
        if not counts.null_count:
            return counts
        unknown = pc.is_null(counts)
        read = row_counts(self._storage, paths.filter(unknown).to_pylist(), sizes.filter(unknown).to_pylist())
        return pc.replace_with_mask(counts, unknown, read)
