"""The Hudi source: a table's state and files from its timeline, its metadata table or its directories."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.hudi.changes.added_files import AddedFilesReader
from converters.hudi.changes.telling import ChangeTeller
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.partitions.key_generators import PathField, path_fields
from converters.hudi.partitions.reader import PartitionReader
from converters.hudi.partitions.values import PathStyle
from converters.hudi.partitions.xtable_spec import parse_partition_spec
from converters.hudi.reading.columns import read_columns
from converters.hudi.reading.file_batches import TableFiles, file_batches
from converters.hudi.reading.indexed_statistics import statistics_index
from converters.hudi.reading.live_files import LiveFiles, find_live_files
from converters.hudi.reading.samples import sample_files
from converters.hudi.reading.statistics import StatisticsReader
from converters.hudi.reading.stored_columns import promotions, two_level_lists
from converters.hudi.reading.table_state import TableState, read_table_state
from converters.hudi.table_config import PROPERTIES_FILE, TableConfig, hoodie_directory
from converters.hudi.timeline.instants import instant_millis
from converters.model.change import Change
from converters.model.schema import Schema
from converters.model.snapshot import Snapshot, Table
from converters.parquet.field_ids import FieldIdCheck, Samples, settle_field_ids
from converters.parquet.footers import Footer
from converters.storage.base import Storage
from converters.storage.location import join
from converters.sync.state import SyncState

__all__ = ["HudiSource", "HudiSourceOptions"]


class HudiSourceOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``hudi.source.``.

    Attributes:
        meta_columns: Keep the ``_hoodie_*`` columns.
        read_optimized: Convert what the base files of a merge-on-read table say, without its log files.
        partition_spec: XTable's ``partitionSpec``, ``column:type:format,…``, in place of what the table says of its
            partitions; empty for none.
        as_of: The time of the last instant to take into account; the newest by default.  What was cleaned since
            cannot be told.
    """

    meta_columns: bool = False
    read_optimized: bool = False
    partition_spec: str | None = None
    as_of: str | None = None


class _View(msgspec.Struct, frozen=True):
    """One state of the table."""

    state: TableState
    metadata_table: MetadataTable | None
    snapshot: Snapshot
    found: TableFiles
    reader: StatisticsReader


class HudiSource:
    """Reads one Hudi table."""

    format_name: ClassVar[str] = "HUDI"
    options_type: ClassVar[type[msgspec.Struct]] = HudiSourceOptions

    def __init__(self, storage: Storage, location: str, options: HudiSourceOptions) -> None:
        """Name the table; nothing is read yet."""
        self._storage = storage
        self._location = location
        self._options = options
        self._samples = Samples(storage)
        self._view: _View | None = None
        self._notes: list[str] = []

    @classmethod
    def is_table(cls, storage: Storage, location: str) -> bool:
        """Whether ``.hoodie/hoodie.properties`` is there."""
        return storage.head(join(hoodie_directory(location), PROPERTIES_FILE)) is not None

    @classmethod
    def open(cls, storage: Storage, location: str, options: HudiSourceOptions) -> Self:
        """Name the table to read; see ``Source.open``."""
        return cls(storage, location, options)

    def location(self) -> str:
        """The directory of the table; see ``Source.location``."""
        return self._location

    def data_location(self) -> str:
        """The directory of the table; see ``Source.data_location``."""
        return self._location

    def notes(self) -> list[str]:
        """What the last snapshot leaves out; see ``Source.notes``."""
        return list(self._notes)

    def snapshot(self) -> Snapshot:
        """The table's newest state, or a former one by request; see ``Source.snapshot``.

        Raises:
            SourceTableNotFound: There is no table.
            InvalidOption: The partition spec is not understood, or names a column that is not there; or the table
                cannot be told as of the time wanted.
            CorruptTable: The properties, the timeline, the metadata table or a data file cannot be read.
            UnsupportedTableFeature: A file slice has log files, a type or a type change cannot be carried, or something
                else that is named.
        """
        state = read_table_state(self._storage, self._location, self._options.as_of)
        columns = read_columns(state, keep_meta_columns=self._options.meta_columns)
        metadata_table = MetadataTable.open(self._storage, self._location, state.config, state.timeline)
        live = find_live_files(state, metadata_table, leave_out_logs=self._options.read_optimized)
        paths = live.paths(self._location).combine_chunks()
        samples = sample_files(self._storage, self._samples, live.files, paths)
        schema, field_ids = settle_field_ids(columns.schema, samples.footers, mapped=False, complete=False)
        indexed = state.config.indexed_columns
        index = statistics_index(metadata_table, columns.parsed, schema, samples.shapes, indexed)
        reader = StatisticsReader(self._storage, index)
        fields, asked = self._fields(state.config)
        partitioned = PartitionReader(reader, live.files, paths).read(
            schema, fields, _style(state.config), asked=asked, dropped=state.config.drops_partition_columns
        )
        shapes = (*samples.shapes, *partitioned.shapes)
        found = TableFiles(live.files, paths, partitioned.partitioning, partitioned.statistics)
        old_lists = two_level_lists(schema, shapes)
        self._notes = [*_log_notes(live), *partitioned.partitioning.notes, *_list_notes(schema, old_lists)]
        config = state.config
        snapshot = Snapshot(
            version=state.version,
            committed_at=0 if state.newest is None else instant_millis(state.newest.time, state.newest.where),
            file_count=len(live.files),
            pending_instants=tuple(instant_millis(each.time, each.where) for each in state.pending),
            table=Table(
                format=self.format_name,
                location=self._location,
                id=_table_id(config, self._location),
                name=config.name,
                schema=schema,
                specs=(partitioned.partitioning.spec,),
                default_spec_id=partitioned.partitioning.spec.spec_id,
                properties=config.properties,
                metadata_path=hoodie_directory(self._location),
                schema_text=columns.text,
                names_are_stable=columns.history.names_are_stable(live.files["instant"].unique().to_pylist()),
                field_ids=field_ids,
                feature_names=_feature_names(config),
                promotions=promotions(schema, shapes),
                two_level_lists=old_lists,
                other_columns=_other_columns(schema, (*samples.footers, *(shape.footer for shape in shapes))),
            ),
        )
        self._view = _View(state=state, metadata_table=metadata_table, snapshot=snapshot, found=found, reader=reader)
        return snapshot

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the snapshot's files; see ``Source.data_files``.

        Raises:
            CorruptTable: The table was changed while it was read, or a data file that had to be read is missing.
            UnsupportedTableFeature: A data file contradicts the others.
        """
        view = self._view_of(snapshot)
        ids = FieldIdCheck(self._storage, self._samples, snapshot.table.schema, snapshot.table.field_ids, "none")
        for batch in file_batches(view.found, snapshot.table, view.reader):
            ids.check(batch.column("path"), batch.column("size"))
            yield batch

    def changes(self, since: SyncState, until: Snapshot) -> Iterator[Change]:
        """What was committed since a sync; see ``Source.changes``.

        Raises:
            FullSyncNeeded: The timeline does not tell it.
            CorruptTable: The table was changed while it was read, or something that had to be read cannot be.
            UnsupportedTableFeature: A file slice has log files now, or a new file cannot be carried.
        """
        view = self._view_of(until)
        config = view.state.config
        fields, asked = self._fields(config)
        files = AddedFilesReader(self._storage, view.metadata_table, config, fields, _style(config), asked=asked)
        teller = ChangeTeller(
            self._storage,
            view.state,
            view.metadata_table,
            until,
            files,
            view.found.files["instant"].unique().to_pylist(),
            keep_meta_columns=self._options.meta_columns,
            leave_out_logs=self._options.read_optimized,
        )
        yield from teller.changes(since)

    def _view_of(self, snapshot: Snapshot) -> _View:
        view = self._view
        if view is None or view.snapshot.version != snapshot.version:
            self.snapshot()
            view = self._view
        if view is None or view.snapshot.version != snapshot.version:
            msg = f"The Hudi table at '{self._location}' was changed while it was read."
            raise CorruptTable(msg, hint="Try again.")
        return view

    def _fields(self, config: TableConfig) -> tuple[Sequence[PathField], bool]:
        """What partition paths consist of, and whether the caller said so."""
        if self._options.partition_spec is not None:
            return parse_partition_spec(self._options.partition_spec), True
        return path_fields(config), False


def _style(config: TableConfig) -> PathStyle:
    slashed = config.properties.get("hoodie.datasource.write.slash.separated.date.partitioning", "").lower() == "true"
    says_style = "hoodie.datasource.write.hive_style_partitioning" in config.properties
    return PathStyle(hive=config.hive_style if says_style else None, escaped=config.url_encoded, slashed_dates=slashed)


def _table_id(config: TableConfig, location: str) -> str:
    """Hudi gives tables no id.  Name and place tell tables apart; one made anew there has other instants."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{location}#{config.database}.{config.name}"))


def _feature_names(config: TableConfig) -> tuple[str, ...]:
    kind = "mergeOnRead" if config.table_type == "MERGE_ON_READ" else "copyOnWrite"
    indexed = ("metadataTable",) if config.metadata_partitions else ()
    return (f"v{config.version}", kind, *indexed)


def _other_columns(schema: Schema, footers: Iterable[Footer]) -> tuple[str, ...]:
    """Columns that files have and the schema has not: meta columns, columns that were dropped."""
    known = {field.stored_name for field in schema.fields}
    found = dict.fromkeys(path[0] for footer in footers for path in footer.columns)
    return tuple(name for name in found if name not in known)


def _list_notes(schema: Schema, old_lists: Mapping[int, str]) -> list[str]:
    if not old_lists:
        return []
    names = ", ".join(f"'{schema.by_id[id_].dotted}'" for id_ in old_lists)
    form = f"Data files hold lists in Parquet's old two-level form ({names})"
    return [f"{form}: Spark and delta-rs read them right in Delta tables, but DuckDB 1.5 does not."]


def _log_notes(live: LiveFiles) -> list[str]:
    groups = len(pc.unique(pc.binary_join_element_wise(live.logs["partition"], live.logs["file_id"], "/")))
    if not groups:
        return []
    slices = "One file slice has" if groups == 1 else f"{groups} file slices have"
    return [f"{slices} log files, which are left out as asked: rows are those of the base files alone."]
