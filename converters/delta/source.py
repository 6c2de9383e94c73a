"""The Delta source: a table's state and files from its log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.file_batches import BatchMaker
from converters.delta.log import LOG_DIRECTORY, list_log
from converters.delta.protocol import check_readable, feature_names, mapping_mode
from converters.delta.reader import LogReader
from converters.delta.schema import read_schema
from converters.delta.state import TableState
from converters.delta.type_changes import promotions
from converters.errors import CorruptTable, FullSyncNeeded, SourceTableNotFound, UnsupportedTableFeature
from converters.model.change import Change
from converters.model.partition import FIRST_PARTITION_FIELD_ID, UNPARTITIONED, PartitionField, PartitionSpec
from converters.model.schema import Schema
from converters.model.snapshot import Snapshot, Table
from converters.parquet.field_ids import Samples, settle_field_ids
from converters.parquet.footers import Footer
from converters.storage.base import Storage
from converters.storage.location import join
from converters.sync.state import SyncState

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

    def location(self) -> str:
        """The directory of the table; see ``Source.location``."""
        return self._location

    def data_location(self) -> str:
        """The directory of the table; see ``Source.data_location``."""
        return self._location

    def notes(self) -> list[str]:
        """Nothing; see ``Source.notes``."""
        return []

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
            file_count=log.file_count(),
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
                promotions=promotions(metadata.schema_string, schema),
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
        batches = BatchMaker(self._storage, self._samples, snapshot.table, mapping_mode(log.state()))
        for files in log.files():
            _refuse_deletion_vectors(files)
            if not log.segment.is_latest:
                _check_present(self._storage, files["path"])
            yield from batches.add(files)
        yield from batches.rest()

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """What was committed since a sync; see ``Source.changes``.

        Raises:
            FullSyncNeeded: Always, so far.
        """
        raise FullSyncNeeded("changes are not told one by one yet")

    def _some_footers(self, log: LogReader) -> list[Footer]:
        found = (self._samples.footer(path, size) for path, size in log.some_files())
        return [footer for footer in found if footer is not None]


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
