"""What a commit did: the files it wrote, those it replaced, the schema, and what its writer noted.

Source: ``HoodieCommitMetadata``, ``HoodieReplaceCommitMetadata``, ``HoodieWriteStat``.  Of each written file only what
readers of the table need is decoded; everything else is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.records import decode_record
from converters.errors import CorruptTable
from converters.hudi.timeline.active import Instant
from converters.hudi.timeline.commit_head import read_head
from converters.hudi.timeline.instant_content import is_avro, read_content
from converters.storage.base import Storage

__all__ = ["REPLACED", "WRITE_STATS", "CommitMetadata", "commit_from_record", "parse_commit", "read_commit"]

WRITE_STATS = pa.schema(
    [
        pa.field("partition", pa.string(), nullable=False),
        pa.field("file_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("row_count", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("is_log", pa.bool_(), nullable=False),
        pa.field("previous", pa.string()),
    ]
)
"""Columns of ``CommitMetadata.write_stats``."""

REPLACED = pa.schema(
    [pa.field("partition", pa.string(), nullable=False), pa.field("file_id", pa.string(), nullable=False)]
)
"""Columns of ``CommitMetadata.replaced``."""

_KEEPS_SCHEMA = frozenset({"CLUSTER", "COMPACT", "INDEX", "LOG_COMPACT"})
_STAT_FIELDS = {
    "fileId": pa.string(),
    "path": pa.string(),
    "numWrites": pa.int64(),
    "fileSizeInBytes": pa.int64(),
    "totalWriteBytes": pa.int64(),
    "prevCommit": pa.string(),
}
_STAT_ATTRIBUTES = dict(
    zip(
        ("file_id", "path", "num_writes", "file_size_in_bytes", "total_write_bytes", "prev_commit"),
        _STAT_FIELDS.values(),
        strict=True,
    )
)
_NO_COMMIT = "null"
_LOG = r"^(?:.*/)?\.[^/]*\.log\.[^/]*$"


class _WriteStat(msgspec.Struct, rename="camel", gc=False):
    file_id: str | None = None
    path: str | None = None
    num_writes: int | None = None
    file_size_in_bytes: int | None = None
    total_write_bytes: int | None = None
    prev_commit: str | None = None


class _Outline(msgspec.Struct, rename="camel"):
    """A commit without its files, which are passed over."""

    extra_metadata: dict[str, str | None] | None = None
    compacted: bool | None = None
    operation_type: str | None = None
    partition_to_replace_file_ids: dict[str, list[str]] | None = None


class _Commit(_Outline, rename="camel"):
    partition_to_write_stats: dict[str, list[_WriteStat]] | None = None


class CommitMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A commit, read.

    Attributes:
        instant: Which one.
        operation_type: ``UPSERT``, ``CLUSTER``, ``ALTER_SCHEMA``, …; None where the writer did not say.
        extra: What the writer noted; the values are never null.
        write_stats: The files written, one row each: ``partition`` (``""`` when unpartitioned), ``file_id``, ``path``
            (from the table's directory, as recorded: names of foreign files end in ``_hudiext``), ``row_count`` (null
            for log files and where unknown), ``size`` in bytes (null where unknown), ``is_log`` and ``previous``: the
            time of the instant that wrote what the file group had before (null where it is a new one).
        replaced: The file groups that readers no longer see from this commit on: ``partition`` and ``file_id``.
        compacted: Whether it is a compaction, as the writer says.
    """

    instant: Instant
    operation_type: str | None
    extra: Mapping[str, str]
    write_stats: pa.Table
    replaced: pa.Table
    compacted: bool

    @property
    def schema(self) -> str | None:
        """The table's Avro schema as of this commit, if it says one."""
        return self.extra.get("schema") or None

    @property
    def may_change_schema(self) -> bool:
        """Whether its schema is the table's, not only that of the files it wrote (``canUpdateSchema``)."""
        return (self.operation_type or "").upper() not in _KEEPS_SCHEMA


def read_commit(storage: Storage, instant: Instant, *, with_files: bool = True) -> CommitMetadata:
    """Read a completed commit, delta commit or replace commit, of a table or of a metadata table.

    Args:
        storage: Where it is.
        instant: Which one.
        with_files: Whether the files that it wrote are wanted; without them, a large commit is read much sooner.

    Raises:
        CorruptTable: The file is gone, empty, truncated or no commit; the message names it.
        LimitExceeded: It is larger than is read.
    """
    head = None if with_files else read_head(storage, instant.path)
    return parse_commit(head or read_content(storage, instant), instant, with_files=with_files)


def parse_commit(data: bytes, instant: Instant, *, with_files: bool = True) -> CommitMetadata:
    """Decode a commit; see ``read_commit``."""
    try:
        if is_avro(data):
            return _from_avro(data, instant)
        return _from_commit(_decode_json(data, instant.where, _Commit if with_files else _Outline), instant)
    except (pa.ArrowInvalid, OverflowError) as error:
        raise CorruptTable(f"{instant.where} has a number that is out of range: {error}.") from error


def commit_from_record(record: Mapping[str, Any], instant: Instant) -> CommitMetadata:
    """A commit that is a member of another record, as in archives.

    Args:
        record: ``HoodieCommitMetadata`` or ``HoodieReplaceCommitMetadata``.
        instant: Which one.

    Raises:
        CorruptTable: It is no commit.
    """
    try:
        return _from_commit(msgspec.convert(record, _Commit), instant)
    except (msgspec.ValidationError, pa.ArrowInvalid, OverflowError) as error:
        raise CorruptTable(f"{instant.where} is no commit: {error}.") from error


def _from_commit(commit: _Outline, instant: Instant) -> CommitMetadata:
    groups = commit.partition_to_write_stats or {} if isinstance(commit, _Commit) else {}
    stats = [stat for found in groups.values() for stat in found]
    replaced = commit.partition_to_replace_file_ids or {}
    return CommitMetadata(
        instant=instant,
        operation_type=commit.operation_type,
        extra={key: value for key, value in (commit.extra_metadata or {}).items() if value is not None},
        write_stats=_write_stats(
            _keys(groups),
            [pa.array([getattr(stat, name) for stat in stats], type_) for name, type_ in _STAT_ATTRIBUTES.items()],
        ),
        replaced=pa.table(
            [
                _keys(replaced),
                pa.array([file_id for found in replaced.values() for file_id in found], pa.string()),
            ],
            REPLACED,
        ),
        compacted=bool(commit.compacted),
    )


def _from_avro(data: bytes, instant: Instant) -> CommitMetadata:
    record = decode_record(data, instant.where, guard="operationType")
    try:
        partitions, stats = _grouped(record, "partitionToWriteStats")
        columns = [stats.field(name).cast(type_) for name, type_ in _STAT_FIELDS.items()]
        replaced = [pa.array([], pa.string()), pa.array([], pa.string())]
        if "partitionToReplaceFileIds" in record.column_names:
            replaced = list(_grouped(record, "partitionToReplaceFileIds"))
        extra = record.column("extraMetadata")[0].as_py() or []
        return CommitMetadata(
            instant=instant,
            operation_type=record.column("operationType")[0].as_py(),
            extra={entry["key"]: entry["value"] for entry in extra if entry["value"] is not None},
            write_stats=_write_stats(partitions, columns),
            replaced=pa.table([column.cast(pa.string()) for column in replaced], REPLACED),
            compacted=bool(record.column("compacted")[0].as_py()),
        )
    except (KeyError, TypeError, pa.ArrowNotImplementedError) as error:
        raise CorruptTable(f"{instant.where} is no commit: {error}.") from error


def _grouped(record: pa.Table, name: str) -> tuple[pa.Array, pa.Array]:
    """The keys and the items of a map of arrays: each key as often as it has items."""
    entries = record.column(name).combine_chunks().flatten()
    groups = entries.field("value")
    counts = pc.fill_null(pc.list_value_length(groups), 0)
    return _repeated(entries.field("key").cast(pa.string()), counts), groups.flatten()


def _decode_json(data: bytes, where: str, kind: type[_Outline]) -> _Outline:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptTable(
            f"{where} is truncated or damaged: {error}.", hint="Roll the commit back with Hudi, or restore the file."
        ) from error


def _write_stats(partitions: pa.Array, columns: Sequence[pa.Array]) -> pa.Table:
    file_ids, paths, rows, sizes, written, previous = columns
    is_log = pc.fill_null(pc.match_substring_regex(paths, _LOG), pa.scalar(value=False))
    table = pa.table(
        [
            partitions,
            file_ids,
            paths,
            pc.if_else(is_log, pa.scalar(None, pa.int64()), _known(rows, above=-1)),
            pc.coalesce(_known(sizes, above=0), _known(written, above=0)),
            is_log,
            pc.if_else(pc.equal(previous, _NO_COMMIT), pa.scalar(None, pa.string()), previous),
        ],
        names=WRITE_STATS.names,
    )
    # A write that failed has no path: it left no file.
    return table.filter(pc.is_valid(table.column("path"))).cast(WRITE_STATS)


def _repeated(names: pa.Array, counts: pa.Array) -> pa.Array:
    """Each name as often as its count says."""
    if not len(names):
        return names
    return names.take(pa.array(np.repeat(np.arange(len(names)), counts.to_numpy(zero_copy_only=False))))


def _keys(groups: Mapping[str, Sequence[object]]) -> pa.Array:
    """The keys of a map of arrays: each as often as it has items."""
    return _repeated(
        pa.array(list(groups), pa.string()), pa.array([len(found) for found in groups.values()], pa.int64())
    )


def _known(numbers: pa.Array, *, above: int) -> pa.Array:
    """The numbers that are above a limit; null for the others, which mean that nobody counted."""
    return pc.if_else(pc.greater(numbers, above), numbers, pa.scalar(None, pa.int64()))
