"""The Hudi source: a table's state and files from its timeline, its metadata table or its directories."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar, Self

import msgspec
import pyarrow as pa

from converters.errors import CorruptTable, FullSyncNeeded, UnsupportedTableFeature
from converters.hudi.changes.added_files import partition_columns, restricted
from converters.hudi.changes.steps import find_steps
from converters.hudi.changes.telling import ChangeTeller, snapshot_of
from converters.hudi.memory import Memory, memories, table_key
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.partitions.key_generators import PathField, path_fields
from converters.hudi.partitions.values import PathStyle
from converters.hudi.partitions.xtable_spec import parse_partition_spec
from converters.hudi.reading.columns import TableColumns, read_columns
from converters.hudi.reading.file_batches import file_batches
from converters.hudi.reading.table_state import TableState, read_table_state
from converters.hudi.reading.whole_table import PartitionPaths, WholeTable, log_note, notes_of, read_whole_table
from converters.hudi.table_config import PROPERTIES_FILE, TableConfig, hoodie_directory
from converters.model.change import Change
from converters.model.snapshot import Snapshot, Table
from converters.parquet.field_ids import FieldIdCheck, Samples
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
    """One state of the table.

    Attributes:
        state: What the timeline says.
        columns: Its columns.
        snapshot: The same as the model has it.
        whole: What was read of all of its files; None where what was remembered was enough.
        since: The former state from which that was taken.
        changes: What led from there to this state.
    """

    state: TableState
    columns: TableColumns
    snapshot: Snapshot
    whole: WholeTable | None = None
    since: SyncState | None = None
    changes: tuple[Change, ...] = ()


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
        self._known: Sequence[SyncState] = ()

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
        self._view = self._remembered(state, columns) or self._whole(state, columns)
        return self._view.snapshot

    def data_files(self, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
        """Stream the snapshot's files; see ``Source.data_files``.

        Raises:
            CorruptTable: The table was changed while it was read, or a data file that had to be read is missing.
            UnsupportedTableFeature: A data file contradicts the others.
        """
        view = self._view_of(snapshot)
        whole = view.whole
        if whole is None:
            whole = self._whole(view.state, view.columns).whole
            assert whole is not None
        try:
            # What was remembered may say less than the files bear out.
            partitioning = restricted(
                whole.files.partitioning, snapshot.table.schema, partition_columns(snapshot.table)
            )
        except FullSyncNeeded as error:
            raise self._changed() from error
        files = msgspec.structs.replace(whole.files, partitioning=partitioning)
        ids = FieldIdCheck(self._storage, self._samples, snapshot.table.schema, snapshot.table.field_ids, "none")
        for batch in file_batches(files, snapshot.table, whole.reader):
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
        told: Iterator[Change] = iter(view.changes)
        if view.since is None or _point(view.since) != _point(since):
            steps = find_steps(view.state, since.source_version, since.pending_instants)
            instants = None if view.whole is None else view.whole.files.files["instant"].unique().to_pylist()
            told = self._teller(view.state, instants).changes(steps, until.table)
        change = next(told, None)
        for later in told:
            assert change is not None
            yield change
            change = later
        if change is not None:
            yield msgspec.structs.replace(change, snapshot=until)

    def recall(self, known: Sequence[SyncState]) -> None:
        """Take note of what former syncs left; see ``Remembering.recall``."""
        self._known = [state for state in known if state.source_format == self.format_name]

    def _remembered(self, state: TableState, columns: TableColumns) -> _View | None:
        """The table by what is remembered of it and by what was written since; None where that is not enough."""
        key = self._key(state)
        found = memories(self._known, key)
        if not found:
            return None
        since, memory = max(found, key=lambda each: _point(each[0]))
        try:
            steps = find_steps(state, since.source_version, since.pending_instants)
            before = (
                read_columns(steps.before, keep_meta_columns=self._options.meta_columns) if steps.after else columns
            )
            table = memory.table(self._described(state, before), before)
            if table is None:
                return None
            changes = tuple(self._teller(state, None).changes(steps, table))
        except (FullSyncNeeded, CorruptTable, UnsupportedTableFeature):
            return None  # it shows when all is read whether anything is wrong
        table = changes[-1].snapshot.table if changes else table
        if not table.names_are_stable:
            return None
        snapshot = snapshot_of(state, table, memory=Memory.of(key, table, memory.notes))
        is_merged = state.config.table_type == "MERGE_ON_READ" and self._options.read_optimized
        self._notes = [*([log_note(None)] if is_merged else ()), *memory.notes, *notes_of(table)]
        return _View(state, columns, snapshot, since=since, changes=changes)

    def _whole(self, state: TableState, columns: TableColumns) -> _View:
        """The table by all of its files."""
        whole = read_whole_table(
            state,
            columns,
            self._described(state, columns),
            self._metadata_table(state),
            self._partition_paths(state.config),
            self._samples,
            leave_out_logs=self._options.read_optimized,
        )
        self._notes = [*([log_note(whole.left_out)] if whole.left_out else ()), *whole.notes, *notes_of(whole.table)]
        memory = Memory.of(self._key(state), whole.table, whole.notes)
        snapshot = snapshot_of(state, whole.table, file_count=len(whole.files.files), memory=memory)
        return _View(state, columns, snapshot, whole)

    def _teller(self, state: TableState, instants: Collection[str] | None) -> ChangeTeller:
        return ChangeTeller(
            state,
            lambda: self._metadata_table(state),
            self._partition_paths(state.config),
            instants,
            keep_meta_columns=self._options.meta_columns,
            leave_out_logs=self._options.read_optimized,
        )

    def _metadata_table(self, state: TableState) -> MetadataTable | None:
        return MetadataTable.open(self._storage, self._location, state.config, state.timeline)

    def _key(self, state: TableState) -> str:
        return table_key(self._location, state.config, self._options)

    def _described(self, state: TableState, columns: TableColumns) -> Table:
        """What of the table does not depend on its files."""
        return Table(
            format=self.format_name,
            location=self._location,
            id=_table_id(state.config, self._location),
            name=state.config.name,
            schema=columns.schema,
            properties=state.config.properties,
            metadata_path=hoodie_directory(self._location),
            schema_text=columns.text,
            feature_names=_feature_names(state.config),
        )

    def _view_of(self, snapshot: Snapshot) -> _View:
        if self._view is None or self._view.snapshot.version != snapshot.version:
            self.snapshot()
        if self._view is None or self._view.snapshot.version != snapshot.version:
            raise self._changed()
        return self._view

    def _changed(self) -> CorruptTable:
        return CorruptTable(f"The Hudi table at '{self._location}' was changed while it was read.", hint="Try again.")

    def _partition_paths(self, config: TableConfig) -> PartitionPaths:
        fields, asked = self._fields(config)
        return PartitionPaths(fields, _style(config), asked)

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


def _point(state: SyncState) -> tuple[str, tuple[int, ...]]:
    """Which state of the table a sync was of."""
    return state.source_version or "", state.pending_instants
