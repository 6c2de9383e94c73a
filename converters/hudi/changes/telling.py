"""Telling what each write did, as the model's changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import FullSyncNeeded, ObjectNotFound, UnsupportedTableFeature
from converters.hudi.changes.added_files import AddedFiles, AddedFilesReader, partition_columns
from converters.hudi.changes.file_groups import FileGroups, find_file_groups, places
from converters.hudi.changes.former_facts import FormerFacts
from converters.hudi.changes.steps import find_steps
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.reading.columns import TableColumns, read_columns
from converters.hudi.reading.file_batches import file_batches
from converters.hudi.reading.file_slices import FileSlices
from converters.hudi.reading.refusals import live_logs, refuse_base_files, refuse_logs
from converters.hudi.reading.table_state import TableState
from converters.hudi.timeline.instants import instant_millis
from converters.model.change import Change
from converters.model.snapshot import Snapshot, Table
from converters.parquet.field_ids import FieldIdCheck, Samples, renumbered
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["ChangeTeller"]


class ChangeTeller:
    """Tells the changes that led to one state of a table."""

    def __init__(
        self,
        storage: Storage,
        state: TableState,
        metadata_table: MetadataTable | None,
        until: Snapshot,
        files: AddedFilesReader,
        instants: Collection[str] | None,
        *,
        keep_meta_columns: bool,
        leave_out_logs: bool,
    ) -> None:
        """Take the state.

        Args:
            storage: Where the table is.
            state: The table as it is at the end.
            metadata_table: Its metadata table, if it has one to be used.
            until: The same state as the model has it.
            files: Reads what is known of added files.
            instants: When the files that are live at the end were written; None where that is not known.
            keep_meta_columns: Whether the ``_hoodie_*`` columns are among the table's.
            leave_out_logs: Whether log files are left out.
        """
        self._storage = storage
        self._state = state
        self._metadata_table = metadata_table
        self._until = until
        self._files = files
        self._instants = instants
        self._keep_meta_columns = keep_meta_columns
        self._leave_out_logs = leave_out_logs

    def changes(self, since: SyncState) -> Iterator[Change]:
        """The changes since a sync; see ``Source.changes``.

        Writes after which the table could not be told by its base files, or whose files were cleaned meanwhile, are
        told together with those after them.

        Raises:
            FullSyncNeeded: They cannot be told.
            CorruptTable: The timeline, the metadata table or a data file cannot be read.
            UnsupportedTableFeature: What they led to cannot be carried.
        """
        if since.source_version is None:
            raise FullSyncNeeded("the last sync did not note which version it was of")
        steps = find_steps(self._state, since.source_version, frozenset(since.pending_instants))
        if not steps.after:
            return
        groups = find_file_groups(steps.before, self._metadata_table, self._state, steps.new)
        live = groups.slices(steps.before).base_files
        instants = None if self._instants is None else {*self._instants, *groups.files["instant"].unique().to_pylist()}
        facts = FormerFacts(self._until.table, self._columns_before(steps.before), instants)
        for state in steps.after:
            slices = groups.slices(state)
            is_last = state is steps.after[-1]
            added = _beyond(slices.base_files, live)
            if is_last:
                self._refuse_logs(state, slices)
            elif self._is_skipped(state, slices, groups, added):
                continue
            columns = read_columns(state, keep_meta_columns=self._keep_meta_columns)
            removed = _removed(live, slices.base_files)
            live = slices.base_files
            if not is_last and not len(added) and not len(removed) and facts.has(columns):
                continue
            yield self._change(state, columns, facts, added, removed, is_last=is_last)

    def _change(
        self,
        state: TableState,
        columns: TableColumns,
        facts: FormerFacts,
        added: pa.Table,
        removed: pa.ChunkedArray,
        *,
        is_last: bool,
    ) -> Change:
        refuse_base_files(state, added)
        until = self._until.table
        schema = columns.schema
        if until.field_ids == "all":
            schema = renumbered(schema, {node.path: node.id for node in until.schema.nodes})
        found = self._files.read(added, self._located(added), columns, schema, partition_columns(until))
        table = facts.table(columns, schema, found)
        snapshot = self._until if is_last else self._snapshot(state, table)
        return Change(
            snapshot=snapshot,
            added=lambda: self._batches(snapshot, found),
            removed=pc.binary_join_element_wise(self._state.location, removed, "/"),
            adds_only_new=not pc.any(added["external"]).as_py(),
        )

    def _snapshot(self, state: TableState, table: Table) -> Snapshot:
        assert state.newest is not None
        return msgspec.structs.replace(
            self._until,
            version=state.version,
            committed_at=instant_millis(state.newest.time, state.newest.where),
            file_count=None,
            pending_instants=tuple(instant_millis(each.time, each.where) for each in state.pending),
            table=table,
        )

    def _batches(self, snapshot: Snapshot, found: AddedFiles) -> Iterator[pa.RecordBatch]:
        table = snapshot.table
        ids = FieldIdCheck(self._storage, Samples(self._storage), table.schema, table.field_ids, "none")
        for batch in file_batches(found.files, table, found.reader):
            ids.check(batch.column("path"), batch.column("size"))
            yield batch

    def _located(self, files: pa.Table) -> pa.Array:
        return pc.binary_join_element_wise(self._state.location, places(files), "/").combine_chunks()

    def _columns_before(self, before: TableState) -> TableColumns | None:
        try:
            return read_columns(before, keep_meta_columns=self._keep_meta_columns)
        except UnsupportedTableFeature:
            return None  # it had no schema yet

    def _is_skipped(self, state: TableState, slices: FileSlices, groups: FileGroups, added: pa.Table) -> bool:
        """Whether the table in this state is not to be told."""
        if len(groups.cleaned) and pc.any(pc.is_in(places(added), value_set=groups.cleaned)).as_py():
            return True
        if self._leave_out_logs or not len(slices.log_files):
            return False
        try:
            return len(live_logs(state, slices)) > 0
        except ObjectNotFound:
            return True

    def _refuse_logs(self, state: TableState, slices: FileSlices) -> None:
        if not self._leave_out_logs and len(slices.log_files):
            refuse_logs(state, live_logs(state, slices))


def _beyond(files: pa.Table, former: pa.Table) -> pa.Table:
    """The files that were not there, or stand for another write of the same name."""
    return files.filter(pc.invert(pc.is_in(_named(files), value_set=_named(former).combine_chunks())))


def _removed(former: pa.Table, files: pa.Table) -> pa.ChunkedArray:
    """Places of the files that are not there any more."""
    before = places(former)
    return before.filter(pc.invert(pc.is_in(before, value_set=places(files).combine_chunks())))


def _named(files: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(places(files), files["instant"], "\0")
