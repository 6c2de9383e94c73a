"""What a commit did: the files it wrote, those it replaced, the schema, and what its writer noted.

Source: ``HoodieCommitMetadata``, ``HoodieReplaceCommitMetadata``, ``HoodieWriteStat``.  Of each written file only what
readers of the table need is decoded; everything else is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable
from converters.hudi.instant_content import decode_avro, is_avro, read_content
from converters.hudi.timeline import Instant
from converters.storage.base import Storage

__all__ = ["REPLACED", "WRITE_STATS", "CommitMetadata", "parse_commit", "read_commit"]

WRITE_STATS = pa.schema(
    [
        pa.field("partition", pa.string(), nullable=False),
        pa.field("file_id", pa.string()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("row_count", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("is_log", pa.bool_(), nullable=False),
    ]
)
"""Columns of ``CommitMetadata.write_stats``."""

REPLACED = pa.schema(
    [pa.field("partition", pa.string(), nullable=False), pa.field("file_id", pa.string(), nullable=False)]
)
"""Columns of ``CommitMetadata.replaced``."""

_KEEPS_SCHEMA = frozenset({"CLUSTER", "COMPACT", "INDEX", "LOG_COMPACT"})
_LOG = r"^(?:.*/)?\.[^/]*\.log\.[^/]*$"


class _WriteStat(msgspec.Struct, rename="camel", gc=False):
    file_id: str | None = None
    path: str | None = None
    num_writes: int | None = None
    file_size_in_bytes: int | None = None
    total_write_bytes: int | None = None


class _Commit(msgspec.Struct, rename="camel"):
    partition_to_write_stats: dict[str, list[_WriteStat]] | None = None
    extra_metadata: dict[str, str | None] | None = None
    compacted: bool | None = None
    operation_type: str | None = None
    partition_to_replace_file_ids: dict[str, list[str]] | None = None


class CommitMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """A commit, read.

    Attributes:
        instant: Which one.
        operation_type: ``UPSERT``, ``CLUSTER``, ``ALTER_SCHEMA``, …; None where the writer did not say.
        extra: What the writer noted; the values are never null.
        write_stats: The files written, one row each: ``partition`` (``""`` when unpartitioned), ``file_id``, ``path``
            (from the table's directory, as recorded: names of foreign files end in ``_hudiext``), ``row_count`` (null
            for log files and where unknown), ``size`` in bytes (null where unknown) and ``is_log``.
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


def read_commit(storage: Storage, instant: Instant) -> CommitMetadata:
    """Read a completed commit, delta commit or replace commit, of a table or of a metadata table.

    Raises:
        CorruptTable: The file is gone, empty, truncated or no commit; the message names it.
        LimitExceeded: It is larger than is read.
    """
    return parse_commit(read_content(storage, instant), instant)


def parse_commit(data: bytes, instant: Instant) -> CommitMetadata:
    """Decode a commit; see ``read_commit``."""
    where = instant.where
    if is_avro(data):
        record = decode_avro(data, where, _WANTED)
        stats = record["partitionToWriteStats"] or {}
        columns = [_column(stats, name) for name in _STAT_FIELDS]
        extra, replaced = record["extraMetadata"] or {}, record["partitionToReplaceFileIds"] or {}
        operation_type, compacted = record["operationType"], record["compacted"]
    else:
        commit = _decode_json(data, where)
        stats = commit.partition_to_write_stats or {}
        columns = [[getattr(stat, name) for found in stats.values() for stat in found] for name in _STAT_ATTRIBUTES]
        extra, replaced = commit.extra_metadata or {}, commit.partition_to_replace_file_ids or {}
        operation_type, compacted = commit.operation_type, commit.compacted
    try:
        return CommitMetadata(
            instant=instant,
            operation_type=operation_type,
            extra={key: value for key, value in extra.items() if value is not None},
            write_stats=_write_stats(stats, columns),
            replaced=_replaced(replaced),
            compacted=bool(compacted),
        )
    except (pa.ArrowInvalid, OverflowError) as error:
        raise CorruptTable(f"{where} has a number that is out of range: {error}.") from error


def _decode_json(data: bytes, where: str) -> _Commit:
    try:
        return msgspec.json.decode(data, type=_Commit)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise CorruptTable(
            f"{where} is truncated or damaged: {error}.", hint="Roll the commit back with Hudi, or restore the file."
        ) from error


def _column(stats: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> list[Any]:
    return [stat[name] for found in stats.values() for stat in found]


def _write_stats(stats: Mapping[str, Sequence[object]], columns: Sequence[list[Any]]) -> pa.Table:
    file_ids, paths, rows, sizes, written = columns
    path = pa.array(paths, pa.string())
    is_log = pc.fill_null(pc.match_substring_regex(path, _LOG), pa.scalar(value=False))
    size = _known(sizes, above=0)
    table = pa.table(
        [
            _repeated(stats.keys(), map(len, stats.values())),
            pa.array(file_ids, pa.string()),
            path,
            pc.if_else(is_log, pa.scalar(None, pa.int64()), _known(rows, above=-1)),
            pc.coalesce(size, _known(written, above=0)),
            is_log,
        ],
        names=WRITE_STATS.names,
    )
    # A write that failed has no path: it left no file.
    return table.filter(pc.is_valid(table.column("path"))).cast(WRITE_STATS)


def _replaced(replaced: Mapping[str, Sequence[str]]) -> pa.Table:
    ids = [file_id for found in replaced.values() for file_id in found]
    return pa.table([_repeated(replaced.keys(), map(len, replaced.values())), pa.array(ids, pa.string())], REPLACED)


def _repeated(names: Iterable[str], counts: Iterable[int]) -> pa.Array:
    """Each name as often as its count says."""
    values = pa.array(list(names), pa.string())
    return values.take(pa.array(np.repeat(np.arange(len(values)), list(counts))))


def _known(values: list[int | None], *, above: int) -> pa.Array:
    """The numbers that are above a limit; null for the others, which mean that nobody counted."""
    numbers = pa.array(values, pa.int64())
    return pc.if_else(pc.greater(numbers, above), numbers, pa.scalar(None, pa.int64()))


_STAT_FIELDS = ("fileId", "path", "numWrites", "fileSizeInBytes", "totalWriteBytes")
_STAT_ATTRIBUTES = ("file_id", "path", "num_writes", "file_size_in_bytes", "total_write_bytes")


def _optional(type_: Any) -> list[Any]:
    return ["null", type_]


_WANTED: dict[str, Any] = {
    "type": "record",
    "name": "HoodieReplaceCommitMetadata",
    "namespace": "org.apache.hudi.avro.model",
    "aliases": ["HoodieCommitMetadata"],
    "fields": [
        {
            "name": "partitionToWriteStats",
            "type": _optional(
                {
                    "type": "map",
                    "values": {
                        "type": "array",
                        "items": {
                            "type": "record",
                            "name": "HoodieWriteStat",
                            "fields": [
                                {"name": name, "type": _optional(type_), "default": None}
                                for name, type_ in zip(
                                    _STAT_FIELDS, ("string", "string", "long", "long", "long"), strict=True
                                )
                            ],
                        },
                    },
                }
            ),
            "default": None,
        },
        {"name": "extraMetadata", "type": _optional({"type": "map", "values": "string"}), "default": None},
        {"name": "compacted", "type": _optional("boolean"), "default": None},
        {"name": "operationType", "type": _optional("string"), "default": None},
        {
            "name": "partitionToReplaceFileIds",
            "type": _optional({"type": "map", "values": {"type": "array", "items": "string"}}),
            "default": None,
        },
    ],
}
"""What is read of a commit in Avro (``HoodieReplaceCommitMetadata.avsc``); a plain commit lacks the last field."""
