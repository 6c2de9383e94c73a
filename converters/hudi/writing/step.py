"""Applying one change of the source to a Hudi table that is there, at the cost of the change."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import FullSyncNeeded
from converters.formats import Commit
from converters.hudi.metadata_table.content import StatisticsOfFiles
from converters.hudi.metadata_table.file_lookup import listed_files
from converters.hudi.metadata_table.writer import Records
from converters.hudi.partitions.target_paths import locate
from converters.hudi.reading.file_names import base_files
from converters.hudi.table_config import hoodie_directory
from converters.hudi.timeline.active import REPLACING
from converters.hudi.writing.base import Base
from converters.hudi.writing.continuable import check_continuable
from converters.hudi.writing.indexed_columns import IndexedColumns, indexed_columns
from converters.hudi.writing.layout import LayoutPlan
from converters.hudi.writing.retention import PRUNED_KEY, keep_from
from converters.hudi.writing.source_files import SOURCE_FILES, file_keys
from converters.hudi.writing.staged_source import StagedSource
from converters.hudi.writing.target_files import replaced_groups
from converters.hudi.writing.update import Changes, Update
from converters.model.change import Change
from converters.storage.base import Storage
from converters.sync.state import SyncState

__all__ = ["Step"]

_PATHS = pa.schema([SOURCE_FILES.field("partition"), SOURCE_FILES.field("name")])


class Step:
    """One attempt."""

    def __init__(
        self, storage: Storage, location: str, base: Base, change: Change, state: SyncState, retention_hours: int
    ) -> None:
        """Name the parts; nothing is read or written yet.

        Args:
            storage: Where the table is.
            location: Its directory.
            base: The table as it is.
            change: From what it equals to what it is to equal.
            state: Goes into the commit.
            retention_hours: How old a commit may become.
        """
        self._storage = storage
        self._location = location
        self._base = base
        self._change = change
        self._state = state
        self._retention_hours = retention_hours

    def run(self, plan: LayoutPlan) -> Commit:
        """Read the change, then write.

        Args:
            plan: What the change's snapshot says of the layout.

        Raises:
            FullSyncNeeded: The change concerns files that it does not name, or one that comes back.
            UnsupportedTableFeature: Hudi cannot have it; nothing was written.
            CommitConflict: Somebody else is writing, or has written since the base was read.
            StorageError: The storage failed, or there is no room for temporary files.
        """
        self._check_files_need_no_look(plan)
        needs_statistics = bool(indexed_columns(self._base))
        with StagedSource(plan, self._change.added(), needs_statistics=needs_statistics) as source:
            layout = plan.settle(self._storage, source.files)
            check_continuable(self._base.config, self._location, layout)
            indexed = IndexedColumns(self._base, layout)
            if indexed.retyped:
                column = indexed.retyped[0]
                raise FullSyncNeeded(f"the column '{column}' has a new type, which the statistics of all files need")
            added = source.table()
            removed = _located(self._change.removed, self._location)
            statistics = StatisticsOfFiles(indexed.index, added, source.batches())
            with Update(self._storage, self._location, self._base, self._change.snapshot.committed_at) as update:
                known = self._known(update, added, removed)
                groups = self._replaced_by(removed, known)
                rewritten, fresh = self._compare(added, known)
                update.commit(
                    Changes(
                        added=added.filter(fresh),
                        removed=groups,
                        extra={"schema": layout.schema_text, **self._state.properties()},
                        statistics=_statistics(indexed, statistics, added, rewritten),
                        keep_from=keep_from(self._retention_hours),
                    )
                )
        return Commit(
            version=update.time,
            metadata_path=hoodie_directory(self._location),
            schema_text=layout.schema_text,
            files_added=len(added) - int(pc.sum(rewritten).as_py() or 0),
            files_removed=len(removed),
        )

    def _check_files_need_no_look(self, plan: LayoutPlan) -> None:
        """Files that the table has already were looked at for the schema that it has, not for another."""
        before, now = SyncState.from_properties(self._base.noted), self._state.mark
        known = before.mark if before is not None else None
        same = known is not None and now is not None and known.fingerprint == now.fingerprint
        if plan.must_ask_files() and not same:
            raise FullSyncNeeded("the schema has changed, and only the files say whether readers find every column")

    def _known(self, update: Update, added: pa.Table, removed: pa.Table) -> pa.Table:
        """What the target lists under the names of the change, as ``base_files`` returns it."""
        named = pa.concat_tables([added.select(_PATHS.names), removed]).unify_dictionaries()
        known = base_files(listed_files(update.metadata_table, named))
        committed = [each for each in known["instant"].unique().to_pylist() if self._base.timeline.is_committed(each)]
        known = known.filter(pc.is_in(known["instant"], value_set=pa.array(committed, pa.string())))
        return known.filter(pc.is_in(file_keys(known), value_set=file_keys(named)))

    def _replaced_by(self, removed: pa.Table, known: pa.Table) -> Mapping[str, list[str]]:
        """Ids of the file groups of removed files, by partition."""
        keys = file_keys(removed)
        missing = pc.invert(pc.is_in(keys, value_set=file_keys(known)))
        if pc.any(missing).as_py():
            path = keys.filter(missing)[0].as_py().replace("\0", "/").lstrip("/")
            raise FullSyncNeeded(f"the source removed the file '{path}', which the target does not list")
        mine = known.filter(pc.is_in(file_keys(known), value_set=keys))
        groups = mine.group_by(["partition", "file_id"], use_threads=False).aggregate([])
        if len(groups) != len(removed):
            raise FullSyncNeeded("the target lists a removed file in several file groups")
        found: dict[str, list[str]] = {}
        for partition, file_id in zip(groups["partition"].to_pylist(), groups["file_id"].to_pylist(), strict=True):
            found.setdefault(partition, []).append(file_id)
        return found

    def _compare(self, added: pa.Table, known: pa.Table) -> tuple[pa.Array, pa.Array]:
        """Which files of the change the target lists already, and which have to be listed anew.

        Raises:
            FullSyncNeeded: One comes back that a commit replaced, whose id would stay hidden for all readers.
        """
        keys = file_keys(added)
        newest = known.take(pc.sort_indices(known, sort_keys=[("instant", "descending")]))
        there = pc.index_in(keys, value_set=file_keys(newest))
        listed = there.is_valid()
        if pc.any(listed).as_py() or (len(added) and self._may_hide_others()):
            groups = pa.concat_arrays([keys, file_keys(newest, "file_id")])
            hidden = pc.is_in(file_keys(replaced_groups(self._base), "file_id"), value_set=groups)
            if pc.any(hidden).as_py():
                raise FullSyncNeeded("a file that was removed comes back, which Hudi's readers would not see")
        if not pc.all(newest["external"].combine_chunks().take(there.drop_null()), min_count=0).as_py():
            raise FullSyncNeeded("a file that Hudi named is listed anew")
        same = pc.equal(newest["size"].combine_chunks().take(there), added["size"].combine_chunks())
        return listed, pc.invert(pc.fill_null(same, fill_value=False))

    def _may_hide_others(self) -> bool:
        """Whether a commit may have replaced files that are no longer listed.

        Our own commits keep such files listed, until they are given up themselves; others' cleaning does not.
        """
        timeline = self._base.timeline
        pruned = self._base.noted.get(PRUNED_KEY, "")
        return any(each.time < pruned or each.action not in REPLACING for each in timeline.completed())


def _located(paths: pa.ChunkedArray, location: str) -> pa.Table:
    if not len(paths):
        return _PATHS.empty_table()
    found = locate(paths.combine_chunks(), location)
    return pa.table([found.partition, found.name], schema=_PATHS)


def _statistics(
    indexed: IndexedColumns, statistics: StatisticsOfFiles, added: pa.Table, rewritten: pa.Array
) -> Records:
    yield from statistics.records()
    wrong = rewritten.to_numpy(zero_copy_only=False) & ~statistics.complete
    yield from indexed.tombstones(added.filter(pa.array(wrong)))
