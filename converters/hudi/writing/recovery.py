"""Removing what a write left that broke off.

The metadata table's delta commit goes first, then its files, the table's own pending instant last: Hudi 1.x accepts
blocks of a completed delta commit unless the table has a pending instant of the same time, so that one must stay until
nothing is left to be accepted.  It also is what tells the next writer that there is something to remove.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from converters.hudi.containers.log_block import INSTANT_TIME, read_log
from converters.hudi.metadata_table.file_names import MetadataFileName
from converters.hudi.table_config import (
    PARTITION_MARK,
    PROPERTIES_FILE,
    TableConfig,
    hoodie_directory,
    metadata_table_location,
    timeline_directory,
)
from converters.hudi.timeline.active import Instant, Timeline, read_timeline
from converters.hudi.writing.table_properties import INDEX_DEFINITIONS
from converters.storage.base import ObjectMeta, Storage
from converters.storage.location import join

__all__ = ["remove_pending"]

_LAYOUT_1 = 1


def remove_pending(
    storage: Storage, location: str, config: TableConfig, instants: Sequence[Instant], *, whole: bool
) -> None:
    """Remove instants and what they wrote to the metadata table; data files are never touched.

    Args:
        storage: Where the table is.
        location: Its directory.
        config: Its properties.
        instants: Pending ones; with ``whole`` also completed ones.
        whole: They are all of a first sync, which has not made the table visible: remove the metadata table as well.

    Raises:
        StorageError: Something could not be removed; the instants are still there, for the next attempt.
    """
    times = {each.time for each in instants}
    metadata_table = metadata_table_location(location)
    layout_path = config.timeline_path
    directory = timeline_directory(metadata_table, config.timeline_layout, layout_path)
    _remove_files(storage, _of(read_timeline(storage, metadata_table, config), times), directory)
    for partition in storage.directories(metadata_table):
        if not partition.endswith("/.hoodie"):
            for path in _written_files(storage, partition, times, config.timeline_layout, whole=whole):
                storage.delete(path)
    if whole:
        storage.delete(join(hoodie_directory(metadata_table), PROPERTIES_FILE))
        storage.delete(join(hoodie_directory(location), INDEX_DEFINITIONS))
    timeline = read_timeline(storage, location, config)
    _remove_files(storage, _of(timeline, times), config.timeline_directory(location))


def _of(timeline: Timeline, times: Iterable[str]) -> list[ObjectMeta]:
    """The files of instants, later states first: what is left of an instant is always one that has not got so far."""
    return [file for time in sorted(times) for file in reversed(timeline.files.get(time, ()))]


def _remove_files(storage: Storage, files: Iterable[ObjectMeta], directory: str) -> None:
    for file in files:
        assert file.path.startswith(directory), file.path
        storage.delete(file.path)


def _written_files(storage: Storage, partition: str, times: set[str], layout: int, *, whole: bool) -> Iterator[str]:
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    for file in storage.list(partition):
        name = MetadataFileName.of(file.path)
        if whole and (name is not None or file.path.endswith(f"/{PARTITION_MARK}")):
            yield file.path
        elif name is None:
            continue
        elif not name.is_base and layout == _LAYOUT_1:
            slice_ = name.file_id, name.instant
            newest[slice_] = max(newest.get(slice_, (0, "")), (name.version, file.path))
        elif name.instant in times:
            yield file.path
    # In layout 1 a log file's name says which base file it is for, not who wrote it; its block does.
    for _, path in newest.values():
        blocks = read_log(storage.get(path), path)
        if any(block.header.get(INSTANT_TIME) in times for block in blocks):
            yield path
