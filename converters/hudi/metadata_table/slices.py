"""Which files of the metadata table hold its present state, and which blocks of its log files count.

A partition has file groups; a file group has base files (HFiles), each followed by log files with later changes::

    <file group>_<token>_<instant>.hfile
    .<file group>_<instant>.log.<version>_<token>      table versions 5 and 6: the instant of the base file;
                                                       from version 8 on that of the commit that wrote the log file

A base file counts when its instant is completed in the metadata table's timeline.  A block of a log file counts when
its instant is completed there, and not pending in the table's own timeline: the metadata table is committed first.
Source: ``HoodieTableMetadataUtil.getValidInstantTimestamps`` and ``getPartitionLatestMergedFileSlices``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import pyarrow.compute as pc

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.containers.delete_block import DeletedKeys, read_delete_block
from converters.hudi.containers.hfile_reader import LARGEST_CONTENT, HFile, read_hfile
from converters.hudi.containers.log_block import (
    COMMAND,
    COMPACTED_BLOCK_TIMES,
    CORRUPT,
    DELETE,
    HFILE_DATA,
    TARGET_INSTANT_TIME,
    LogBlock,
    read_log,
)
from converters.hudi.metadata_table.file_names import MetadataFileName
from converters.hudi.timeline.active import Timeline
from converters.hudi.timeline.commit_metadata import read_commit
from converters.storage.base import ObjectMeta, Storage

__all__ = ["MetadataContent", "MetadataLog", "MetadataSlice", "find_slices", "read_logs", "read_slice", "where_of"]

_FIRST_VERSION_WITH_COMPLETION_TIMES = 8

MetadataContent: TypeAlias = "HFile | DeletedKeys"
"""Records, or keys of records that are taken away."""


class MetadataLog(msgspec.Struct, frozen=True):
    """A log file.

    Attributes:
        file: Where it is.
        instant: The instant in its name.
        version: Its number.
        token: What makes its name unique; may be empty.
    """

    file: ObjectMeta
    instant: str
    version: int
    token: str


class MetadataSlice(msgspec.Struct, frozen=True):
    """The present state of a file group: the newest base file that counts, and the log files since.

    Attributes:
        file_id: The file group's name.
        base: The base file; None where there are only log files.
        base_instant: The instant that (up to table version 6) further log files must bear; None where a base file
            must come first.
        logs: Log files in the order in which they count, whether their blocks count or not.
    """

    file_id: str
    base: ObjectMeta | None
    base_instant: str | None
    logs: tuple[MetadataLog, ...]

    @property
    def next_version(self) -> int:
        """The number of the next log file that bears ``base_instant``."""
        return 1 + max((log.version for log in self.logs if log.instant == self.base_instant), default=0)


def find_slices(storage: Storage, directory: str, timeline: Timeline, version: int) -> tuple[MetadataSlice, ...]:
    """Find the present file slices of a partition, ordered by file group.

    Args:
        storage: Where it is.
        directory: The partition's directory.
        timeline: The metadata table's.
        version: The table's version.
    """
    bases: dict[str, list[tuple[str, ObjectMeta]]] = {}
    logs: dict[str, list[MetadataLog]] = {}
    for meta in storage.list(directory):
        name = MetadataFileName.of(meta.path)
        if name is None:
            continue
        if not name.is_base:
            logs.setdefault(name.file_id, []).append(MetadataLog(meta, name.instant, name.version, name.token))
        elif timeline.is_committed(name.instant):
            bases.setdefault(name.file_id, []).append((name.instant, meta))
    completed_at = {each.time: each.completed_at for each in timeline.completed()}
    slices: list[MetadataSlice] = []
    for file_id in sorted(bases.keys() | logs.keys()):
        base_instant, base = max(bases.get(file_id, ()), key=_instant, default=("", None))
        since: list[MetadataLog] = []
        for log in sorted(logs.get(file_id, ()), key=_order):
            later = version >= _FIRST_VERSION_WITH_COMPLETION_TIMES
            if ((completed_at.get(log.instant) if later else None) or log.instant) >= base_instant:
                since.append(log)
        if version < _FIRST_VERSION_WITH_COMPLETION_TIMES:
            # While a compaction runs, log files already bear the instant of the base file that it writes.
            base_instant = max((base_instant, *(log.instant for log in since)))
        slices.append(MetadataSlice(file_id, base, base_instant or None, tuple(since)))
    return tuple(slices)


def read_slice(
    storage: Storage, found: MetadataSlice, timeline: Timeline, pending: frozenset[str]
) -> list[MetadataContent]:
    """Read a file slice: what stands in the base file and in the blocks that count, the oldest first.

    Args:
        storage: Where it is.
        found: The slice.
        timeline: The metadata table's.
        pending: Times of the instants that are pending in the table's own timeline.

    Raises:
        CorruptTable: A file is damaged.
        LimitExceeded: The files are together larger, decompressed, than is read.
        UnsupportedTableFeature: A block has rows in another form than Hudi writes into metadata tables.
    """
    contents: list[MetadataContent] = []
    room = LARGEST_CONTENT
    if found.base is not None:
        base = read_hfile(storage.get(found.base.path), where_of(found.base), limit=room)
        room -= len(base.entries.data)
        contents.append(base)
    return contents + read_logs(storage, found, timeline, pending, limit=room)


def read_logs(
    storage: Storage,
    found: MetadataSlice,
    timeline: Timeline,
    pending: frozenset[str],
    *,
    limit: int = LARGEST_CONTENT,
) -> list[MetadataContent]:
    """Read what stands in the log files of a slice alone; otherwise as ``read_slice``, up to ``limit`` bytes."""
    contents: list[MetadataContent] = []
    for log, block in _counting_blocks(storage, found, timeline, pending):
        if block.type == DELETE:
            contents.append(read_delete_block(block.content, where_of(log.file)))
            continue
        changes = read_hfile(block.content, where_of(log.file), limit=limit)
        limit -= len(changes.entries.data)
        contents.append(changes)
    return contents


def _counting_blocks(
    storage: Storage, found: MetadataSlice, timeline: Timeline, pending: frozenset[str]
) -> list[tuple[MetadataLog, LogBlock]]:
    """Blocks with rows or deletes that count, in order."""
    blocks: list[tuple[MetadataLog, LogBlock]] = []
    for log, block in _blocks(storage, found, timeline):
        if block.type == COMMAND:
            # The only command there is: what an instant wrote is rolled back; it may have been written once more since.
            undone = block.header.get(TARGET_INSTANT_TIME, "")
            blocks = [each for each in blocks if each[1].instant != undone]
        elif block.instant in pending or not timeline.is_committed(block.instant):
            continue
        elif block.type == HFILE_DATA:
            merged = set(block.header.get(COMPACTED_BLOCK_TIMES, "").split(",")) - {""}
            # A log compaction: this block stands for those, in the place of the last of them.
            places = [place for place, each in enumerate(blocks) if each[1].instant in merged]
            place = places[-1] + 1 if places else len(blocks)
            blocks.insert(place, (log, block))
            blocks = [each for each in blocks if each[1].instant not in merged]
        elif block.type == DELETE:
            blocks.append((log, block))
        else:
            raise UnsupportedTableFeature(
                f"{where_of(log.file)} has a block of kind {block.type}, which is not known to be in metadata tables.",
                hint="Compact the table's metadata table, or delete it and let Hudi build it anew.",
            )
    return blocks


def _blocks(storage: Storage, found: MetadataSlice, timeline: Timeline) -> Iterator[tuple[MetadataLog, LogBlock]]:
    for log in found.logs:
        blocks = [each for each in read_log(storage.get(log.file.path), where_of(log.file)) if each.type != CORRUPT]
        if not blocks:
            _refuse_completed(storage, log.file, timeline)
        for block in blocks:
            yield log, block


def _refuse_completed(storage: Storage, meta: ObjectMeta, timeline: Timeline) -> None:
    """Refuse a log file without a whole block that a completed commit says to have written.

    Hudi would go on without its changes; a file that was left by a writer that broke off may well be so.
    """
    partition, _, name = meta.path.rpartition("/")
    path = f"{partition.rpartition('/')[2]}/{name}"
    for instant in timeline.writes():
        try:
            written = read_commit(storage, instant).write_stats["path"]
        except CorruptTable:
            continue  # it says nothing, and nobody else asks it
        if pc.any(pc.equal(written, path)).as_py():
            raise CorruptTable(
                f"{where_of(meta)} is torn or damaged, but {instant.where} wrote it.",
                hint="Copy the table again, or delete the metadata table and let Hudi build it anew.",
            )


def where_of(meta: ObjectMeta) -> str:
    """What a file of the metadata table is, for messages."""
    return f"The metadata table's file '{meta.path}'"


def _instant(base: tuple[str, ObjectMeta]) -> str:
    return base[0]


def _order(log: MetadataLog) -> tuple[str, int, str]:
    return log.instant, log.version, log.token
