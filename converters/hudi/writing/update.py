"""One commit on a Hudi table that is there, from the claim to the upkeep after it.

In this order: the claim, ``.inflight``, files of the metadata table, its delta commit, the commit itself.
Until the last file is there, readers see the old state; an attempt that broke off is removed by the next one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec
import numpy as np
import pyarrow as pa

from converters.errors import CommitConflict, ObjectAlreadyExists, TablecastError
from converters.hudi.metadata_table.content import files_records
from converters.hudi.metadata_table.table import COLUMN_STATS, FILES, MetadataTable
from converters.hudi.metadata_table.writer import FileGroup, MetadataCommit, Records
from converters.hudi.table_config import metadata_table_location, read_table_config
from converters.hudi.timeline.active import Timeline, read_timeline
from converters.hudi.timeline.commit_content import CommitContent
from converters.hudi.timeline.instants import next_instant
from converters.hudi.writing.base import Base
from converters.hudi.writing.claim import Claim
from converters.hudi.writing.commit_files import external_names
from converters.hudi.writing.continuable import open_metadata_table
from converters.hudi.writing.retention import PRUNED_KEY, delete_before, delete_older_slices, still_listed
from converters.hudi.writing.target_files import TargetFiles
from converters.staging import Spool, no_room
from converters.storage.base import Data, Storage
from converters.storage.location import join

__all__ = ["Changes", "Update"]

_LOGS_OF_FILES = 10


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit changes.

    Attributes:
        added: Files to add, of ``SOURCE_FILES``.
        removed: Ids of the file groups to replace, by partition.
        extra: What the commit notes.
        statistics: Keys and values for ``column_stats``, ascending by keys, to go into log files.
        all_statistics: All of its records, for new base files instead; None where none are to be written.
        keep_from: Instants before this time may be given up, if the upkeep that this takes is done anyway.
        forget_before: Instants before this time must be given up; empty where none must.
    """

    added: pa.Table
    removed: Mapping[str, Sequence[str]]
    extra: Mapping[str, str]
    statistics: tuple[pa.Array, pa.Array] | None = None
    all_statistics: Records | None = None
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
        self._claim.take(self._base.timeline)
        try:
            # Pending is what was pending before, but for what the claim has removed.
            found = MetadataTable.open(self._storage, self._location, self._base.config, self._timeline())
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

    def commit(self, target: TargetFiles, changes: Changes) -> None:
        """Write the commit, and do the upkeep that is due.

        Args:
            target: The files that the target lists.
            changes: What to change.

        Raises:
            CommitConflict: The claim was held for too long, or somebody does not respect it.
        """
        content = CommitContent(self._base.config.version)
        rewrites = bool(changes.forget_before) or self._most_logs(FILES) >= _LOGS_OF_FILES
        cut = self._cut(changes) if rewrites else ""
        extra = dict(changes.extra)
        if pruned := max(cut, self._base.noted.get(PRUNED_KEY, "")):
            extra[PRUNED_KEY] = pruned
        self._put(self._claim.files.inflight, b"")
        metadata = MetadataCommit(self._storage, self._metadata_location, self.metadata_table.config, self.time)
        self._write_files(metadata, target, changes.added, cut, whole=rewrites)
        self._write_statistics(metadata, changes)
        metadata.complete(content.delta_commit)
        with Spool() as spool:
            with no_room():
                content.write(spool, self.time, extra, changes.added, changes.removed)
            self._claim.check()
            self._put(self._claim.files.completed, spool.content())
        # The commit stands without it, and the next one finds it still to be done.
        with contextlib.suppress(TablecastError):
            self._clean_up(pruned, slices=rewrites)

    def _cut(self, changes: Changes) -> str:
        """Instants before this time are given up; empty where none are."""
        keep_from = changes.keep_from
        for each in self.metadata_table.slices.get(COLUMN_STATS, ()):
            if changes.all_statistics is None and each.logs:
                # The blocks of its log files depend on instants after the base file's.
                keep_from = min(keep_from, each.base_instant or "")
        cut = max(min(keep_from, self.time), changes.forget_before)
        return cut if any(each.time < cut for each in self._base.writes) else ""

    def _write_files(
        self, metadata: MetadataCommit, target: TargetFiles, added: pa.Table, cut: str, *, whole: bool
    ) -> None:
        entries = pa.table(
            {
                "partition": added["partition"].combine_chunks(),
                "name": external_names(added["name"].combine_chunks(), self.time),
                "size": added["size"].combine_chunks(),
                "deleted": np.zeros(len(added), np.bool_),
            }
        )
        groups = self._groups(FILES)
        if whole:
            kept = target.listed.filter(still_listed(target, cut))
            metadata_entries = _together(kept, entries)
            metadata.base_files(FILES, [each.file_id for each in groups], files_records(metadata_entries))
        elif len(added):
            known = set(self.metadata_table.partitions())
            used = added["partition"].combine_chunks()
            paths = used.dictionary.take(used.indices.unique()).to_pylist()
            records = list(files_records(entries, sorted(path for path in paths if path not in known)))
            keys = pa.concat_arrays([keys for keys, _ in records])
            values = pa.concat_arrays([values for _, values in records])
            metadata.log_files(FILES, groups, keys, values)

    def _write_statistics(self, metadata: MetadataCommit, changes: Changes) -> None:
        groups = self._groups(COLUMN_STATS)
        if not groups:
            return
        if changes.all_statistics is not None:
            metadata.base_files(COLUMN_STATS, [each.file_id for each in groups], changes.all_statistics)
        elif changes.statistics is not None and len(changes.statistics[0]):
            metadata.log_files(COLUMN_STATS, groups, *changes.statistics)

    def _groups(self, partition: str) -> list[FileGroup]:
        slices = self.metadata_table.slices.get(partition, ())
        return [FileGroup(each.file_id, each.base_instant or "", each.next_version) for each in slices]

    def _most_logs(self, partition: str) -> int:
        return max((len(each.logs) for each in self.metadata_table.slices.get(partition, ())), default=0)

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

    def _put(self, path: str, data: Data) -> None:
        try:
            self._storage.put_if_absent(path, data)
        except ObjectAlreadyExists as error:
            raise CommitConflict(f"Somebody else has written '{path}'.") from error


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
