"""Telling what each write did, as the model's changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import ObjectNotFound, UnsupportedTableFeature
from converters.hudi.changes.added_files import AddedFiles, AddedFilesReader, partition_columns
from converters.hudi.changes.file_groups import FileGroups, find_file_groups, places
from converters.hudi.changes.former_facts import FormerFacts
from converters.hudi.changes.steps import Steps
from converters.hudi.metadata_table.file_lookup import listed_files
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.reading.columns import TableColumns, read_columns
from converters.hudi.reading.file_batches import file_batches
from converters.hudi.reading.file_names import base_files
from converters.hudi.reading.file_slices import FileSlices
from converters.hudi.reading.refusals import live_logs, refuse_base_files, refuse_logs
from converters.hudi.reading.table_state import TableState
from converters.hudi.reading.whole_table import PartitionPaths
from converters.hudi.timeline.instants import instant_millis
from converters.model.change import Change
from converters.model.snapshot import Snapshot, Table
from converters.parquet.field_ids import FieldIdCheck, Samples, renumbered

__all__ = ["ChangeTeller", "snapshot_of"]


class ChangeTeller:
    """Tells the changes that led to one state of a table."""

    def __init__(
        self,
        state: TableState,
        metadata_table: Callable[[], MetadataTable | None],
        paths: PartitionPaths,
        instants: Collection[str] | None,
        *,
        keep_meta_columns: bool,
        leave_out_logs: bool,
    ) -> None:
        """Take the state.

        Args:
            state: The table as it is at the end.
            metadata_table: Opens its metadata table, if it has one to be used.
            paths: What its partition paths are.
            instants: When the files that are live at the end were written; None where that is not known.
            keep_meta_columns: Whether the ``_hoodie_*`` columns are among the table's.
            leave_out_logs: Whether log files are left out.
        """
        self._state = state
        self._metadata_table = functools.cache(metadata_table)
        self._instants = instants
        self._files = AddedFilesReader(state.storage, self._metadata_table, state.config, paths)
        self._keep_meta_columns = keep_meta_columns
        self._leave_out_logs = leave_out_logs

    def changes(self, steps: Steps, known: Table) -> Iterator[Change]:
        """The changes on the way to the state.

        Writes after which the table could not be told by its base files, or whose files were cleaned meanwhile, are
        told together with those after them.

        Args:
            steps: The way.
            known: The table in a state in which its data files were looked at: before the first step, or after the
                last one.

        Raises:
            FullSyncNeeded: They cannot be told.
            CorruptTable: The timeline, the metadata table or a data file cannot be read.
            UnsupportedTableFeature: What they led to cannot be carried.
        """
        if not steps.after:
            return
        groups = find_file_groups(steps.before, self._metadata_table, self._state, steps.new)
        live = groups.slices(steps.before).base_files
        instants = None if self._instants is None else {*self._instants, *groups.files["instant"].unique().to_pylist()}
        facts = FormerFacts(known, self._columns_before(steps.before), instants)
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
            yield self._change(state, columns, facts, added, removed)

    def _change(
        self, state: TableState, columns: TableColumns, facts: FormerFacts, added: pa.Table, removed: pa.ChunkedArray
    ) -> Change:
        refuse_base_files(state, added)
        schema = columns.schema
        if facts.known.field_ids == "all":
            schema = renumbered(schema, {node.path: node.id for node in facts.known.schema.nodes})
        found = self._files.read(added, self._located(added), columns, schema, partition_columns(facts.known))
        snapshot = snapshot_of(state, facts.table(columns, schema, found))
        return Change(
            snapshot=snapshot,
            added=lambda: self._batches(snapshot.table, found),
            removed=pc.binary_join_element_wise(self._state.location, removed, "/"),
            adds_only_new=self._are_new(added),
        )

    def _are_new(self, added: pa.Table) -> bool:
        """Whether it is certain that none of the files was live before, as another write's.

        Names of Hudi's own files have the instant.  Of others' files every write is listed that is in the timeline.
        """
        others = added.filter(added["external"])
        if not len(others):
            return True
        table = self._metadata_table()
        if table is None:
            return False
        partitions = others["partition"].combine_chunks().dictionary_encode()
        listed = base_files(listed_files(table, pa.table({"partition": partitions, "name": others["name"]})))
        same = pc.is_in(places(listed), value_set=places(others).combine_chunks())
        return bool(pc.sum(same).as_py() == len(others))

    def _batches(self, table: Table, found: AddedFiles) -> Iterator[pa.RecordBatch]:
        storage = self._state.storage
        ids = FieldIdCheck(storage, Samples(storage), table.schema, table.field_ids, "none")
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


def snapshot_of(state: TableState, table: Table, *, file_count: int | None = None, memory: str = "") -> Snapshot:
    """A state of a table as the model has it."""
    newest = state.newest
    return Snapshot(
        version=state.version,
        committed_at=0 if newest is None else instant_millis(newest.time, newest.where),
        table=table,
        file_count=file_count,
        pending_instants=tuple(instant_millis(each.time, each.where) for each in state.pending),
        memory=memory,
    )


def _beyond(files: pa.Table, former: pa.Table) -> pa.Table:
    """The files that were not there, or stand for another write of the same name."""
    return files.filter(pc.invert(pc.is_in(_named(files), value_set=_named(former).combine_chunks())))


def _removed(former: pa.Table, files: pa.Table) -> pa.ChunkedArray:
    """Places of the files that are not there any more."""
    before = places(former)
    return before.filter(pc.invert(pc.is_in(before, value_set=places(files).combine_chunks())))


def _named(files: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(places(files), files["instant"], "\0")
