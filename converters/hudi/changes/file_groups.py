"""The file groups that some writes concern: which base file of each was live after each write.

What a write did to a file group shows only beside what the group had before: a new base file takes the place of the
one of the slice before, and a replaced group's file goes.  A commit names what it wrote and when the slice before was
written, but not that slice's file.  So these groups are looked up in the lists of just their partitions; what was
cleaned since, in the commits that wrote it.  Of files that other systems wrote, a file group's name is the file's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import FullSyncNeeded
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.reading.file_names import BASE_COLUMNS, base_files, log_files
from converters.hudi.reading.file_slices import FileSlices, file_slices
from converters.hudi.reading.listing import FILE_COLUMNS, list_partitions
from converters.hudi.reading.retried_writes import without_retries
from converters.hudi.reading.table_state import TableState
from converters.hudi.timeline.active import Instant
from converters.hudi.timeline.commit_metadata import WRITE_STATS, CommitMetadata

__all__ = ["FileGroups", "find_file_groups", "places"]

_GROUPS = pa.schema([("partition", pa.string()), ("file_id", pa.string()), ("instant", pa.string())])
_NAMES = pa.schema([("partition", pa.string()), ("file_id", pa.string())])
_OF_OTHERS = "[._/]"
"""What no name of a file group of Hudi's own has."""


class FileGroups(msgspec.Struct, frozen=True):
    """Some file groups.

    Attributes:
        files: The base files that they have, and those that they had since the writes, as ``file_names.base_files``
            returns them.
        logs: Their log files, as ``file_names.log_files`` returns them.
        replaced: When they were replaced: ``partition``, ``file_id`` and the ``instant``.
        cleaned: Places of those of the base files that the writes wrote and that are gone by now.
    """

    files: pa.Table
    logs: pa.Table
    replaced: pa.Table
    cleaned: pa.Array

    def slices(self, state: TableState) -> FileSlices:
        """The newest file slices of these groups in a state of the table."""
        counts = [state.is_committed(time) for time in self.replaced["instant"].to_pylist()]
        gone = self.replaced.filter(pa.array(counts, pa.bool_()))
        return file_slices(self.files, self.logs, gone, state.is_committed, state.log_time)


def find_file_groups(
    before: TableState,
    open_metadata_table: Callable[[], MetadataTable | None],
    state: TableState,
    new: Sequence[Instant],
) -> FileGroups:
    """Find the file groups that writes concern.

    Args:
        before: The table before the writes.
        open_metadata_table: Opens its metadata table, if it has one to be used.
        state: The table after all of them.
        new: The writes.

    Raises:
        FullSyncNeeded: What a group had before cannot be told any more.
        CorruptTable: A commit or the metadata table cannot be read.
    """
    commits = [state.whole_commit(each) for each in new]
    stats = pa.concat_tables([WRITE_STATS.empty_table(), *(each.write_stats for each in commits)])
    written = _written(stats)
    replaced = _replaced(commits)
    of_others = pc.match_substring_regex(replaced["file_id"], _OF_OTHERS)
    own = replaced.filter(pc.invert(of_others))
    # A write that was overtaken may have been continued by another before it was completed.
    continued = pa.concat_tables(
        [
            _group_names(stats.filter(pc.and_(pc.is_valid(stats["previous"]), pc.invert(stats["is_log"])))),
            _group_names(own),
            *(_group_names(each.write_stats) for each in commits if each.instant.time < before.version),
        ]
    )
    metadata_table = open_metadata_table() if len(continued) else None
    listed = _listed(state, metadata_table, continued)
    found, logs = base_files(listed), log_files(pa.concat_tables([listed, _log_names(stats)]))
    if metadata_table is None:
        found = without_retries(state, found)
    is_gone = pc.and_(
        _is_among(written, continued), pc.invert(pc.is_in(places(written), value_set=places(found).combine_chunks()))
    )
    known = pa.concat_tables([written, _without(found, written), _registered(before, replaced.filter(of_others))])
    known = pa.concat_tables(
        [known, _cleaned_before(before, stats, replaced.filter(pc.invert(of_others)), known, logs)]
    )
    return FileGroups(
        files=known,
        logs=logs,
        replaced=pa.concat_tables([replaced, _replaced_before(before, known)]),
        cleaned=places(written.filter(is_gone)).combine_chunks(),
    )


def places(files: pa.Table) -> pa.ChunkedArray:
    """What names a file: its path from the table's directory."""
    below = pc.binary_join_element_wise(files["partition"], files["name"], "/")
    return pc.if_else(pc.equal(files["partition"], ""), files["name"], below)


def _written(stats: pa.Table) -> pa.Table:
    """The base files that commits wrote."""
    bases = stats.filter(pc.invert(stats["is_log"]))
    files = base_files(_names(bases))
    if files["size"].null_count:
        raise FullSyncNeeded("a commit does not say how large the files are that it wrote")
    return files


def _log_names(stats: pa.Table) -> pa.Table:
    return _names(stats.filter(stats["is_log"]))


def _names(stats: pa.Table) -> pa.Table:
    """The files of write stats, as a listing of their partitions would have them."""
    # A folder below the partition is also said by the mark in the name.
    names = pc.replace_substring_regex(stats["path"], r"^.*/", "")
    return pa.table([stats["partition"], names, stats["size"]], schema=FILE_COLUMNS)


def _replaced(commits: Iterable[CommitMetadata]) -> pa.Table:
    """The file groups that commits replaced."""
    parts = [
        each.replaced.append_column("instant", pa.repeat(pa.scalar(each.instant.time), len(each.replaced))).cast(
            _GROUPS
        )
        for each in commits
    ]
    return pa.concat_tables([_GROUPS.empty_table(), *parts])


def _listed(state: TableState, metadata_table: MetadataTable | None, groups: pa.Table) -> pa.Table:
    """All files of some groups that are there."""
    partitions = groups["partition"].unique().to_pylist()
    if metadata_table is None:
        files = list_partitions(state.storage, state.location, partitions)
    else:
        files = metadata_table.files_of(partitions).cast(FILE_COLUMNS)
    parsed = [base_files(files), log_files(files)]
    names = pa.concat_tables([each.select(["partition", "name", "file_id"]) for each in parsed])
    names = names.filter(_is_among(names, groups))
    return files.filter(pc.is_in(places(files), value_set=places(names).combine_chunks()))


def _registered(before: TableState, groups: pa.Table) -> pa.Table:
    """The files of groups that other systems' files make up, as they were before."""
    if not before.writes:
        return BASE_COLUMNS.empty_table()
    count = len(groups)
    columns = [
        groups["partition"],
        groups["file_id"],
        pa.repeat(pa.scalar(0, pa.int64()), count),
        groups["file_id"],
        pa.repeat(pa.scalar(min(each.time for each in before.writes)), count),
        pc.utf8_lower(pc.replace_substring_regex(groups["file_id"], r"^.*\.", "")),
        pa.repeat(pa.scalar(value=True), count),
    ]
    return pa.table(columns, schema=BASE_COLUMNS)


def _cleaned_before(
    before: TableState, stats: pa.Table, replaced: pa.Table, known: pa.Table, logs: pa.Table
) -> pa.Table:
    """Base files that were live before and are gone by now, from the commits that wrote them.

    Raises:
        FullSyncNeeded: Nobody names one of them any more.
    """
    bases = stats.filter(pc.and_(pc.invert(stats["is_log"]), pc.is_valid(stats["previous"])))
    former = pa.table([bases["partition"], bases["file_id"], bases["previous"]], schema=_GROUPS)
    there = pa.concat_tables([each.select(list(_GROUPS.names)) for each in (known, logs)])
    lacking = former.filter(pc.invert(pc.is_in(_slice_keys(former), value_set=_slice_keys(there).combine_chunks())))
    found = [BASE_COLUMNS.empty_table()]
    for instant in lacking["instant"].unique().to_pylist():
        groups = lacking.filter(pc.equal(lacking["instant"], instant))
        commit = next((each for each in before.writes if each.time == instant), None)
        files = BASE_COLUMNS.empty_table() if commit is None else _written(before.whole_commit(commit).write_stats)
        files = files.filter(_is_among(files, groups))
        if not pc.all(_is_among(groups, files), min_count=0).as_py():
            raise FullSyncNeeded(
                f"files that the instant {instant} wrote were cleaned, and nothing names them any more"
            )
        found.append(files)
    silent = replaced.filter(pc.invert(_is_among(replaced, there)))
    if len(silent):
        raise FullSyncNeeded(f"files that the instant {silent['instant'][0]} replaced were cleaned")
    return pa.concat_tables(found)


def _replaced_before(before: TableState, files: pa.Table) -> pa.Table:
    """Which groups of other systems' files had been replaced before: Hudi never shows them again.

    Groups of Hudi's own have names that are never used again.
    """
    others = files.filter(files["external"])
    if not len(others):
        return _GROUPS.empty_table()
    gone = _replaced(before.replacements())
    return gone.filter(_is_among(gone, others))


def _group_names(table: pa.Table) -> pa.Table:
    return table.select(["partition", "file_id"]).cast(_NAMES)


def _without(files: pa.Table, others: pa.Table) -> pa.Table:
    return files.filter(pc.invert(pc.is_in(places(files), value_set=places(others).combine_chunks())))


def _is_among(files: pa.Table, groups: pa.Table) -> pa.ChunkedArray:
    """Which rows are of the groups of another table."""
    return pc.is_in(_keys(files), value_set=_keys(groups).combine_chunks())


def _keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["partition"], table["file_id"], "\0")


def _slice_keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["partition"], table["file_id"], table["instant"], "\0")
