"""One commit on a Hudi table that is there, from the claim to the upkeep after it.

In this order: the claim, ``.inflight``, files of the metadata table, its delta commit, the commit itself.
Until the last file is there, readers see the old state; an attempt that broke off is removed by the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import pyarrow as pa

from converters.errors import TablecastError
from converters.hudi.metadata_table.content import files_entries, files_records
from converters.hudi.metadata_table.file_names import COLUMN_STATS, FILES
from converters.hudi.metadata_table.keys import FileKeys, file_group_of
from converters.hudi.metadata_table.records import sorted_records
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.metadata_table.writer import FileGroup, MetadataCommit, Records
from converters.hudi.reading.file_names import base_files
from converters.hudi.table_config import metadata_table_location, read_table_config
from converters.hudi.timeline.active import Timeline, read_timeline
from converters.hudi.timeline.instants import next_instant
from converters.hudi.writing.base import Base
from converters.hudi.writing.claim import Claim
from converters.hudi.writing.commit_content import CommitContent
from converters.hudi.writing.continuable import open_metadata_table
from converters.hudi.writing.indexed_columns import indexed_columns
from converters.hudi.writing.put_new import put_new
from converters.hudi.writing.retention import PRUNED_KEY, delete_before, delete_older_slices, still_listed
from converters.hudi.writing.target_files import TargetFiles, read_target_files
from converters.hudi.writing.upkeep import FILES_PACE, STATISTICS_PACE, is_due, merged_statistics
from converters.staging import Spool, no_room
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["Changes", "Update"]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit changes.

    Attributes:
        added: Files to add, of ``SOURCE_FILES``.
        removed: Ids of the file groups to replace, by partition.
        extra: What the commit notes.
        statistics: Keys and values for ``column_stats``.
        all_statistics: All of its records, ascending by keys, for when it gets new base files; None where they are to
            be made of what is there.
        statistics_switch: Whether statistics are of use only once the commit is visible, so that they have to be in log
            files: a base file counts before.
        keep_from: Instants before this time may be given up, if the upkeep that this takes is done anyway.
        forget_before: Instants before this time must be given up; empty where none must.
    """

    added: pa.Table
    removed: Mapping[str, Sequence[str]]
    extra: Mapping[str, str]
    statistics: Records = ()
    all_statistics: Records | None = None
    statistics_switch: bool = False
    keep_from: str = ""
    forget_before: str = ""


class Update:
    """A claim on the table and the one commit that is made under it; a context manager that undoes what fails.

    Attributes:
        time: The commit's instant.
        metadata_table: As it is under the claim.
    """

    metadata_table: MetadataTable

    def __init__(self, storage: Storage, location: str, base: Base, committed_at: int) -> None:
        """Choose the instant; nothing is written yet.

        Args:
            storage: Where the table is.
            location: Its directory.
            base: What the commit builds on.
            committed_at: When the source's version was committed, milliseconds since the epoch.
        """
        self._storage = storage
        self._location = location
        self._base = base
        self._metadata_location = metadata_table_location(location)
        metadata_config = read_table_config(storage, self._metadata_location) or base.config
        last = read_timeline(storage, self._metadata_location, metadata_config).last_time
        self.time = next_instant(max(base.timeline.last_time, last), committed_at)
        self._claim = Claim(storage, location, base.config, self.time)

    def __enter__(self) -> Self:
        """Claim the table.

        Raises:
            CommitConflict: Somebody else is writing, or has written since the base was read.
            UnsupportedTableFeature: The metadata table cannot be continued.
        """
        timeline = self._claim.take(self._base.timeline)
        try:
            found = MetadataTable.open(self._storage, self._location, self._base.config, timeline)
            self.metadata_table = open_metadata_table(found, self._location)
        except BaseException:
            self._claim.withdraw()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the claim; what was written for a commit that failed is removed as far as the storage allows."""
        if error is not None:
            self._claim.undo()
        else:
            self._claim.release()

    def commit(self, changes: Changes, target: TargetFiles | None = None) -> None:
        """Write the commit, and do the upkeep that is due.

        Args:
            changes: What to change.
            target: The files that the target lists; None where they have not been read.

        Raises:
            CommitConflict: The claim was held for too long, or somebody does not respect it.
            FullSyncNeeded: New base files of the statistics are due, and cannot be made of what is there.
        """
        content = CommitContent(self._base.config.version)
        due = self._due(changes)
        cut = self._cut(changes, due) if FILES in due else ""
        extra = dict(changes.extra)
        if pruned := max(cut, self._base.noted.get(PRUNED_KEY, "")):
            extra[PRUNED_KEY] = pruned
        put_new(self._storage, self._claim.files.inflight, b"")
        metadata = MetadataCommit(self._storage, self._metadata_location, self.metadata_table.config, self.time)
        entries = files_entries([changes.added], [self.time])
        if FILES in due:
            target = target or read_target_files(self._base, self.metadata_table.files())
            kept = target.listed.filter(still_listed(target, cut))
            entries = _together(kept, entries)
            metadata.base_files(FILES, [each.file_id for each in self._groups(FILES)], files_records(entries))
        elif len(entries):
            metadata.log_files(FILES, self._groups(FILES), *_whole(files_records(entries)))
        self._write_statistics(metadata, changes, entries if COLUMN_STATS in due else None)
        metadata.complete(content.delta_commit)
        with Spool() as spool:
            with no_room():
                content.write(spool, self.time, extra, changes.added, changes.removed)
            self._claim.check()
            put_new(self._storage, self._claim.files.completed, spool.content())
        # The commit stands without it, and the next one finds it still to be done.
        with contextlib.suppress(TablecastError):
            self._clean_up(pruned, slices=bool(due))

    def _due(self, changes: Changes) -> set[str]:
        """The partitions that get new base files: with the statistics always the files, which say whose are kept."""
        slices = self.metadata_table.slices
        # Nothing comes to statistics that are not kept up.
        may_be_due = not changes.statistics_switch and indexed_columns(self._base) is not None
        if changes.forget_before or (may_be_due and is_due(slices.get(COLUMN_STATS, ()), STATISTICS_PACE)):
            return {FILES, COLUMN_STATS}
        return {FILES} if is_due(slices[FILES], FILES_PACE) else set()

    def _cut(self, changes: Changes, due: Collection[str]) -> str:
        """Instants before this time are given up; empty where none are."""
        keep_from = changes.keep_from
        for each in self.metadata_table.slices.get(COLUMN_STATS, ()) if COLUMN_STATS not in due else ():
            if each.logs:
                # The blocks of its log files depend on instants after the base file's.
                keep_from = min(keep_from, each.base_instant or "")
        cut = max(min(keep_from, self.time), changes.forget_before)
        return cut if any(each.time < cut for each in self._base.writes) else ""

    def _write_statistics(self, metadata: MetadataCommit, changes: Changes, entries: pa.Table | None) -> None:
        """Write log files; base files where the entries of all files are given."""
        groups = self._groups(COLUMN_STATS)
        if not groups:
            return
        if entries is not None and changes.all_statistics is not None:
            metadata.base_files(COLUMN_STATS, [each.file_id for each in groups], changes.all_statistics)
            return
        keys, values = sorted_records(*_whole(changes.statistics))
        if entries is None:
            if len(keys):
                metadata.log_files(COLUMN_STATS, groups, keys, values)
            return
        parsed = base_files(entries.set_column(0, "partition", entries["partition"].cast(pa.string())))
        kept = FileKeys(parsed["partition"].combine_chunks(), parsed["name"].combine_chunks())
        group = file_group_of(keys, len(groups))
        for number, each in enumerate(self.metadata_table.slices[COLUMN_STATS]):
            mine = pa.array(group == number)
            new = keys.filter(mine), values.filter(mine)
            merged = merged_statistics(self.metadata_table, each, new, kept)
            metadata.base_files(COLUMN_STATS, [each.file_id], [merged])

    def _groups(self, partition: str) -> list[FileGroup]:
        slices = self.metadata_table.slices.get(partition, ())
        return [FileGroup(each.file_id, each.base_instant or "", each.next_version) for each in slices]

    def _clean_up(self, pruned: str, *, slices: bool) -> None:
        """Delete what no reader needs any more."""
        if pruned:
            delete_before(self._storage, self._timeline(), pruned)
        if not slices:
            return
        config = self._base.config
        found = MetadataTable.open(self._storage, self._location, config, self._timeline())
        if found is None:
            return
        left = [
            delete_older_slices(self._storage, join(self._metadata_location, partition), present)
            for partition, present in found.slices.items()
        ]
        delete_before(self._storage, found.timeline, min(left, default=""))

    def _timeline(self) -> Timeline:
        return read_timeline(self._storage, self._location, self._base.config)


def _whole(records: Records) -> tuple[pa.Array, pa.Array]:
    """All records in one piece."""
    keys, values = [pa.array([], pa.binary())], [pa.array([], pa.large_binary())]
    for some_keys, some_values in records:
        keys.append(some_keys)
        values.append(some_values.cast(pa.large_binary()))
    return pa.concat_arrays(keys), pa.concat_arrays(values)


def _together(kept: pa.Table, new: pa.Table) -> pa.Table:
    """Entries that stay and new ones, with their partitions dictionary encoded."""
    partition = new["partition"].combine_chunks()
    texts = [*kept["partition"].chunks, partition.dictionary.take(partition.indices)]
    return pa.table(
        {
            "partition": pa.chunked_array(texts, pa.string()).combine_chunks().dictionary_encode(),
            "name": pa.chunked_array([*kept["name"].chunks, *new["name"].chunks], pa.string()).combine_chunks(),
            "size": pa.chunked_array([*kept["size"].chunks, *new["size"].chunks], pa.int64()).combine_chunks(),
            "deleted": np.zeros(len(kept) + len(new), np.bool_),
        }
    )
