"""One commit of the metadata table: base and log files, and the delta commit that makes them count.

A base file counts once the delta commit is completed; a block of a log file once the table's own instant of the same
time is.  So a commit may go into log files at any time, and into a base file only when that neither hides nor shows
anything before the table's commit is completed: files that the commit adds bear its time and are hidden, files that it
removes must still be in there.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa

from converters.hudi.containers.hfile_writer import HFileWriter
from converters.hudi.containers.log_block import data_block
from converters.hudi.metadata_table.file_names import COLUMN_STATS, FILES
from converters.hudi.metadata_table.keys import file_group_of
from converters.hudi.metadata_table.schemas import COLUMN_STATS_SCHEMA, FILES_SCHEMA
from converters.hudi.table_config import PARTITION_MARK, TableConfig
from converters.hudi.timeline.instant_files import InstantFiles
from converters.hudi.writing.put_new import put_new
from converters.staging import Spool, no_room
from converters.storage.base import Data, Storage
from converters.storage.location import join

__all__ = ["FileGroup", "MetadataCommit", "Records", "group_name"]

Records = Iterable[tuple[pa.Array, pa.Array]]
"""Keys and values, binary; ascending by keys throughout."""

_PREFIXES = {FILES: "files", COLUMN_STATS: "col-stats"}
_SCHEMAS = {FILES: FILES_SCHEMA, COLUMN_STATS: COLUMN_STATS_SCHEMA}
_TOKEN = "0-0-0"  # noqa: S105 - what Hudi calls a write token
_LAYOUT_1 = 1


class FileGroup(msgspec.Struct, frozen=True):
    """Where the records of a part of a metadata partition are now.

    Attributes:
        file_id: Its name.
        base_instant: The instant in the names of its base file and (table version 6) of the log files on top of it.
        next_version: The number of the next log file on top of that base file.
    """

    file_id: str
    base_instant: str
    next_version: int


class MetadataCommit:
    """Writes the files of one commit, then the commit."""

    def __init__(self, storage: Storage, location: str, config: TableConfig, instant: str) -> None:
        """Name the parts.

        Args:
            storage: Where the table is.
            location: The metadata table's directory.
            config: Its properties.
            instant: The commit's time, which is that of the table's own commit.
        """
        self._storage = storage
        self._location = location
        self._instant = instant
        self._config = config
        self._layout = config.timeline_layout
        self._files = InstantFiles(config.timeline_directory(location), self._layout, instant, "deltacommit")
        self._stats: dict[str, list[dict[str, Any]]] = {}

    def base_files(self, partition: str, names: Sequence[str], records: Records) -> None:
        """Write a new base file for each file group of a partition.

        Args:
            partition: ``FILES`` or ``COLUMN_STATS``.
            names: The file groups' ids, in order; which one a record goes to, its key says.
            records: All of the partition's.
        """
        spools = [Spool() for _ in names]
        try:
            counts = [0] * len(names)
            with no_room():
                writers = [
                    HFileWriter(cast("BinaryIO", spool), schema=_SCHEMAS[partition], record_key_range=True)
                    for spool in spools
                ]
                for keys, values in records:
                    group = file_group_of(keys, len(names))
                    for number, writer in enumerate(writers):
                        mine = None if len(names) == 1 else pa.array(group == number)
                        part = (keys, values) if mine is None else (keys.filter(mine), values.filter(mine))
                        writer.add(*part)
                        counts[number] += len(part[0])
                sizes = [writer.close() for writer in writers]
            for name, spool, count, size in zip(names, spools, counts, sizes, strict=True):
                file = f"{name}_{_TOKEN}_{self._instant}.hfile"
                self._put(f"{partition}/{file}", spool.content())
                self._note(partition, name, file, count, size, {"prevCommit": "null"})
        finally:
            for spool in spools:
                spool.__exit__(None, None, None)

    def log_files(self, partition: str, groups: Sequence[FileGroup], keys: pa.Array, values: pa.Array) -> None:
        """Write a log file for each file group of a partition that some of the records go to.

        Args:
            partition: ``FILES`` or ``COLUMN_STATS``.
            groups: All of its file groups, in order.
            keys: Of the records, ascending.
            values: Of the records.
        """
        group = file_group_of(keys, len(groups))
        for number, each in enumerate(groups):
            mine = pa.array(group == number)
            count = int((group == number).sum())
            if not count:
                continue
            hfile = io.BytesIO()
            writer = HFileWriter(hfile, schema=_SCHEMAS[partition], record_key_range=False)
            writer.add(keys.filter(mine), values.filter(mine))
            writer.close()
            block = data_block(self._instant, _SCHEMAS[partition], hfile.getvalue())
            base, version = each.base_instant, each.next_version
            if self._layout != _LAYOUT_1:
                base, version = self._instant, 1
            file = f".{each.file_id}_{base}.log.{version}_{_TOKEN}"
            self._put(f"{partition}/{file}", block)
            more = {
                "prevCommit": each.base_instant,
                "logVersion": version,
                "logOffset": 0,
                "baseFile": "",
                "logFiles": [file],
            }
            self._note(partition, each.file_id, file, count, len(block), more)

    def complete(self, encode: Callable[[Mapping[str, Any]], bytes]) -> None:
        """Make the files count.

        Args:
            encode: How the content of a completed delta commit is written.
        """
        for path in (self._files.requested, self._files.inflight):
            put_new(self._storage, path, b"")
        commit = {
            "partitionToWriteStats": self._stats,
            "compacted": False,
            "extraMetadata": {"schema": _SCHEMAS[COLUMN_STATS if COLUMN_STATS in self._stats else FILES]},
            "operationType": "UPSERT_PREPPED",
        }
        put_new(self._storage, self._files.completed, encode(commit))

    def _note(self, partition: str, file_id: str, file: str, count: int, size: int, more: Mapping[str, Any]) -> None:
        stat = {
            "fileId": file_id,
            "path": f"{partition}/{file}",
            "numWrites": count,
            "numDeletes": 0,
            "numUpdateWrites": 0,
            "numInserts": count,
            "totalWriteBytes": size,
            "totalWriteErrors": 0,
            "partitionPath": partition,
            "fileSizeInBytes": size,
            **more,
        }
        self._stats.setdefault(partition, []).append(stat)

    def _put(self, path: str, data: Data) -> None:
        partition = path.partition("/")[0]
        if partition not in self._stats:
            self._mark(partition)
        put_new(self._storage, join(self._location, path), data)

    def _mark(self, partition: str) -> None:
        """Say that the directory is a partition, as Hudi does (``HoodiePartitionMetadata``)."""
        path = join(self._location, f"{partition}/{PARTITION_MARK}")
        if self._storage.head(path) is None:
            text = f"#partition metadata\ncommitTime={self._instant}\npartitionDepth=1\n"
            put_new(self._storage, path, text.encode())


def group_name(partition: str, number: int) -> str:
    """The id of a file group of a partition (``HoodieTableMetadataUtil.getFileIDPrefix``)."""
    return f"{_PREFIXES[partition]}-{number:04d}-0"
