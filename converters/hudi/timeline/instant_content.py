"""What is in the files of a timeline: JSON, or an Avro object container with one record.

Completed commits are JSON up to table version 6 and Avro from version 8 on; plans, cleans, rollbacks and restores are
Avro in all (tech spec, "Timeline"; ``CommitMetadataSerDeV1``, ``CommitMetadataSerDeV2``).  What a file has is told by
its first bytes, since an upgrade leaves old files as they were.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec

from converters.avro.container import only_record, open_avro
from converters.errors import CorruptTable, ObjectNotFound
from converters.hudi.timeline.active import Instant
from converters.storage.base import Storage

__all__ = ["RecordDecoder", "decode_avro", "is_avro", "read_content", "read_record"]

_MAGIC = b"Obj\x01"
_MOST_LEVELS = 64
_FAULTS = (RecursionError, EOFError, ValueError, TypeError, LookupError, OverflowError, MemoryError, ArithmeticError)
"""What fastavro raises on bytes that are not what the schema says."""


def read_content(storage: Storage, instant: Instant) -> bytes:
    """The content of an instant's file.

    Raises:
        CorruptTable: It is empty or gone.
        LimitExceeded: It is larger than is read.
    """
    try:
        data = storage.get(instant.path)
    except ObjectNotFound as error:
        raise CorruptTable(
            f"{instant.where} is gone.", hint="It may have been archived meanwhile; try again."
        ) from error
    if not data:
        raise CorruptTable(f"{instant.where} is empty.", hint="A write broke off; Hudi's next write rolls it back.")
    return data


def read_record(storage: Storage, instant: Instant) -> dict[str, Any]:
    """The record of an instant that is Avro: a plan, a clean, a rollback or a restore.

    Raises:
        CorruptTable: It is no such file.
        LimitExceeded: It is larger than is read.
    """
    return decode_avro(read_content(storage, instant), instant.where)


def is_avro(data: bytes) -> bool:
    """Whether the content is an Avro object container."""
    return data.startswith(_MAGIC)


def decode_avro(data: bytes, where: str) -> dict[str, Any]:
    """The only record of an Avro object container.

    Raises:
        CorruptTable: It cannot be decoded, or has not one record.
        LimitExceeded: It is larger than is read.
        UnsupportedTableFeature: It is compressed in an unknown way.
    """
    file = open_avro(data, where)
    return RecordDecoder(file.schema, where).decode(only_record(file))


class RecordDecoder:
    """Decodes records of one schema."""

    def __init__(self, schema: bytes | str, where: str) -> None:
        """Parse the schema.

        Args:
            schema: As JSON.
            where: What has it, for messages.

        Raises:
            CorruptTable: It is no schema.
        """
        import fastavro  # noqa: PLC0415 - heavy
        from fastavro.schema import SchemaParseException  # noqa: PLC0415

        self._where = where
        try:
            written = msgspec.json.decode(schema)
            _check_items(written, 0)
            self._schema = fastavro.parse_schema(written)
        except (msgspec.DecodeError, SchemaParseException, *_FAULTS) as error:
            raise _undecodable(where, error) from error

    def decode(self, content: bytes) -> dict[str, Any]:
        """One record.

        Raises:
            CorruptTable: It is not of this schema.
        """
        import fastavro  # noqa: PLC0415 - heavy

        try:
            record = fastavro.schemaless_reader(io.BytesIO(content), self._schema, None)
        except _FAULTS as error:
            raise _undecodable(self._where, error) from error
        if not isinstance(record, dict):
            raise CorruptTable(f"{self._where} is no record.")
        return record


def _check_items(schema: Any, level: int) -> None:
    """Refuse arrays of items without bytes: a few bytes could claim any number of them.

    Raises:
        ValueError: There is one, or the schema has too many levels.
    """
    if level > _MOST_LEVELS:
        raise ValueError("its schema has too many levels")
    if isinstance(schema, list):
        for branch in schema:
            _check_items(branch, level + 1)
    elif isinstance(schema, dict):
        if schema.get("type") == "array" and _may_be_nothing(schema.get("items")):
            raise ValueError("its schema has an array of nothing")
        for key in ("type", "items", "values"):
            _check_items(schema.get(key), level + 1)
        fields = schema.get("fields")
        for field in fields if isinstance(fields, list) else ():
            _check_items(field, level + 1)


def _may_be_nothing(items: Any) -> bool:
    if not isinstance(items, dict):
        return bool(items == "null")
    kind = items.get("type")
    if kind == "record":
        fields = items.get("fields")
        types = [field.get("type") for field in fields if isinstance(field, dict)] if isinstance(fields, list) else []
        return all(map(_may_be_nothing, types))
    return kind == "null" or (kind == "fixed" and not items.get("size")) or isinstance(kind, dict)


def _undecodable(where: str, error: Exception) -> CorruptTable:
    text = str(error).partition("\n")[0][:200] or type(error).__name__
    return CorruptTable(f"{where} cannot be decoded: {text.rstrip('.')}.")
