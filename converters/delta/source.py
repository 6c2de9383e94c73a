"""The Delta source: a table's state and files from its log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.engine import cursor
from converters.delta.field_ids import FieldIdCheck, Samples, settle_field_ids
from converters.delta.log import LOG_DIRECTORY, list_log
from converters.delta.partition_values import partition_values, texts_of
from converters.delta.protocol import check_readable, feature_names, mapping_mode
from converters.delta.reader import LogReader
from converters.delta.schema import read_schema
from converters.delta.state import TableState
from converters.delta.stats import StatsReader
from converters.errors import CorruptTable, LimitExceeded, SourceTableNotFound, StorageError, UnsupportedTableFeature
from converters.model.data_file import data_file_batch, data_file_schema, rows_per_batch
from converters.model.partition import FIRST_PARTITION_FIELD_ID, UNPARTITIONED, PartitionField, PartitionSpec
from converters.model.schema import Schema
from converters.model.snapshot import Snapshot, Table
from converters.parquet.footers import Footer, row_counts
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["DeltaSource", "DeltaSourceOptions"]

_LISTERS = 16


class DeltaSourceOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``delta.source.``.

    Attributes:
        version: The table version to convert; the newest by default.  Files of an older version may be gone, so they
            are looked for.
    """

    version: int | None = None


class DeltaSource:
    """Reads one Delta table."""

    format_name: ClassVar[str] = "DELTA"
    options_type: ClassVar[type[msgspec.Struct]] = DeltaSourceOptions

    def __init__(self, storage: Storage, location: str, options: DeltaSourceOptions) -> None:
        """Name the table; nothing is read yet."""
        self._storage = storage
        self._location = location
        self._options = options
        self._log: LogReader | None = None
        self._samples = Samples(storage)

    @classmethod
    def is_table(cls, storage: Storage, location: str) -> bool:
        """Whether ``_delta_log`` has a commit or a checkpoint."""
        return not list_log(storage, location).is_empty

    @classmethod
    def open(cls, storage: Storage, location: str, options: DeltaSourceOptions) -> Self:
        """Name the table to read; see ``Source.open``."""
        return cls(storage, location, options)

    def snapshot(self) -> Snapshot:
        """The table's newest version, or the one that the options name; see ``Source.snapshot``.

        Raises:
            SourceTableNotFound: There is no log, or it is empty.
            InvalidOption: The named version is not there.
            CorruptTable: The log has a gap, or a part of it is not understood.
            UnsupportedTableFeature: A reader feature, a type or a type change that we do not know or cannot carry.
        """
        log = LogReader.open(self._storage, self._location, self._options.version)
        if log is None:
            msg = f"No Delta table is at '{self._location}': its {LOG_DIRECTORY} has no commit and no checkpoint."
            raise SourceTableNotFound(msg, hint="Is it the table's directory?")
        state = log.state()
        check_readable(state, self._location)
        mode = mapping_mode(state)
        schema, field_ids = settle_field_ids(
            _schema_of(state),
            self._some_footers(log),
            mapped=mode != "none",
            complete=state.metadata.properties.get("delta.enableIcebergCompatV2", "").lower() == "true",
        )
        self._log = log
        metadata = state.metadata
        return Snapshot(
            version=str(log.segment.version),
            committed_at=log.committed_at(state),
            file_count=_file_count(self._storage, log),
            table=Table(
                format=self.format_name,
                location=self._location,
                id=metadata.id,
                name=metadata.name,
                description=metadata.description,
                schema=schema,
                specs=(_spec_of(state, schema),),
                default_spec_id=0,
                properties=metadata.properties,
                metadata_path=join(self._location, LOG_DIRECTORY),
                schema_text=metadata.schema_string,
                names_are_stable=True,
                field_ids=field_ids,
                feature_names=feature_names(state),
            ),
        )

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the snapshot's files; see ``Source.data_files``.

        Raises:
            CorruptTable: A part of the log, or a data file that had to be read, is missing or unreadable.
            UnsupportedTableFeature: A file has a deletion vector.
        """
        log = self._log
        if log is None or str(log.segment.version) != snapshot.version:
            log = LogReader.open(self._storage, self._location, int(snapshot.version))
        if log is None:
            msg = f"The Delta table at '{self._location}' disappeared while it was read."
            raise CorruptTable(msg)
        batches = _BatchMaker(self._storage, self._samples, snapshot.table, mapping_mode(log.state()))
        for files in log.files():
            _refuse_deletion_vectors(files)
            if not log.segment.is_latest:
                _check_present(self._storage, files["path"])
            yield from batches.add(files)
        yield from batches.rest()

    def _some_footers(self, log: LogReader) -> list[Footer]:
        found = (self._samples.footer(path, size) for path, size in log.some_files())
        return [footer for footer in found if footer is not None]


class _BatchMaker:
    """Makes ``DataFile`` batches of live files."""

    def __init__(self, storage: Storage, samples: Samples, table: Table, mode: str) -> None:
        self._storage = storage
        self._ids = FieldIdCheck(storage, samples, table.schema, table.field_ids, mode)
        self._schema = table.schema
        self._spec = table.default_spec
        self._shape = data_file_schema(table.schema, table.specs)
        self._rows = rows_per_batch(table.schema)
        self._stats = StatsReader(table.schema)
        self._connection = cursor()
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
        stats = self._stats.read(self._connection, files)
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


def _schema_of(state: TableState) -> Schema:
    highest = state.metadata.properties.get("delta.columnMapping.maxColumnId", "0")
    return read_schema(
        state.metadata.schema_string, mapping_mode(state), highest_id=int(highest) if highest.isdecimal() else 0
    )


def _spec_of(state: TableState, schema: Schema) -> PartitionSpec:
    fields: list[PartitionField] = []
    for number, name in enumerate(state.metadata.partition_columns, FIRST_PARTITION_FIELD_ID):
        column = schema.field(name)
        if column is None:
            msg = f"The partition column '{name}' is not in the table's schema."
            raise CorruptTable(msg)
        fields.append(PartitionField(id=number, source_id=column.id, name=column.name))
    return PartitionSpec(0, tuple(fields)) if fields else UNPARTITIONED


def _refuse_deletion_vectors(files: pa.Table) -> None:
    vectors = files["deletion_vector"]
    if vectors.null_count < len(vectors):
        path = files.filter(pc.is_valid(vectors))["path"][0].as_py()
        msg = f"The data file '{path}' has a deletion vector: some of its rows are deleted."
        raise UnsupportedTableFeature(msg, hint="Rewrite such files first: REORG TABLE … APPLY (PURGE).")


def _check_present(storage: Storage, paths: pa.ChunkedArray) -> None:
    """Make sure that an old version's files have not been vacuumed; each directory is listed once."""
    directories = pc.unique(pc.replace_substring_regex(paths, r"/[^/]*$", "")).to_pylist()
    with ThreadPoolExecutor(_LISTERS) as pool:
        listed = pool.map(lambda directory: [found.path for found in storage.list(directory)], directories)
        there = pa.array([path for found in listed for path in found], pa.string())
    missing = paths.filter(pc.invert(pc.is_in(paths, value_set=there)))
    if len(missing):
        msg = f"The data file '{missing[0].as_py()}' of that version no longer exists."
        raise CorruptTable(msg, hint="It was vacuumed: convert a newer version.")


class _LastCheckpoint(msgspec.Struct, rename="camel"):
    version: int
    num_of_add_files: int | None = None


def _file_count(storage: Storage, log: LogReader) -> int | None:
    """The number of live files, where the checkpoint's hint says it and nothing came after."""
    hint, checkpoint = log.listing.hint, log.segment.checkpoint
    if hint is None or checkpoint is None or log.segment.commits:
        return None
    try:
        found = msgspec.json.decode(storage.get(hint.path), type=_LastCheckpoint)
    except (msgspec.DecodeError, UnicodeError, StorageError, LimitExceeded):
        return None
    return found.num_of_add_files if found.version == checkpoint.version else None
