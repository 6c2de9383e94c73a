"""Decoding one large Avro record into Arrow, without an object for each thing in it.

A commit is one record that holds all files of the commit, in maps and arrays.  Polars decodes Avro into nested Arrow
arrays but knows no maps.  In Avro a map has the bytes of an array of records of a key and a value (specification,
"Maps": "each item a string key immediately followed by the value"), so the schema says that instead.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pyarrow as pa

from converters.avro.container import avro_bytes, only_record, open_avro, plain_container, varint
from converters.errors import CorruptTable

__all__ = ["decode_record"]

_GUARD = "tablecast:end-of-record"
_MOST_LEVELS = 64
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def decode_record(data: bytes, where: str, *, guard: str) -> pa.Table:
    """The only record of an Avro object container, as a table of one row.

    Args:
        data: The container.
        where: What it is, for messages.
        guard: A field of the record that is a string or null, as all others are something or null.  A second record
            of our own is recognised by it: were the first one longer or shorter than its schema says, so that what
            it holds was misread, the second would be misread, too.

    Returns:
        The record's fields; maps are lists of structs of ``key`` and ``value``.

    Raises:
        CorruptTable: It cannot be decoded, or has not one record.
        LimitExceeded: It is larger than is read.
        UnsupportedTableFeature: It is compressed in an unknown way.
    """
    import polars as pl  # noqa: PLC0415 - heavy
    from polars.exceptions import PanicException, PolarsError  # noqa: PLC0415

    file = open_avro(data, where)
    record = only_record(file)
    try:
        schema = _Schema().converted(msgspec.json.decode(file.schema), 0)
        blank = b"".join(_blank(field, guard) for field in schema["fields"])
        container = plain_container(msgspec.json.encode(schema), 2, [record, blank])
        frame = pl.read_avro(io.BytesIO(container))
        if len(frame) != 2 or frame[guard][1] != _GUARD:
            raise CorruptTable(f"{where} is damaged: its record is not what its schema says.")
        return frame.head(1).to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    except (PolarsError, PanicException, OSError) as error:
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise CorruptTable(f"{where} cannot be decoded: {reason.rstrip('.')}.") from error
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError, ValueError) as error:
        raise CorruptTable(f"{where} has a schema that is none: {error!r}.") from error


class _Schema:
    """Makes of a schema one that Polars understands."""

    def __init__(self) -> None:
        """Start without any named type."""
        self._named: dict[str, Any] = {}
        self._count = 0

    def converted(self, schema: Any, level: int) -> Any:
        """The schema without maps, attributes and references to names.

        Raises:
            ValueError: It is no schema of a commit.
        """
        if level > _MOST_LEVELS:
            raise ValueError("too many levels")
        if isinstance(schema, list):
            return [self.converted(branch, level + 1) for branch in schema]
        if isinstance(schema, str):
            return (
                schema if schema in _PRIMITIVES else self.converted(self._named[schema.rpartition(".")[2]], level + 1)
            )
        kind = schema["type"]
        match kind:
            case "record":
                self._named[schema["name"].rpartition(".")[2]] = schema
                fields = [
                    {"name": field["name"], "type": self.converted(field["type"], level + 1)}
                    for field in schema["fields"]
                ]
                return self._record(fields)
            case "map":
                value = self.converted(schema["values"], level + 1)
                return {
                    "type": "array",
                    "items": self._record([{"name": "key", "type": "string"}, {"name": "value", "type": value}]),
                }
            case "array":
                items = self.converted(schema["items"], level + 1)
                if _may_be_nothing(items):
                    # A few bytes could claim any number of them.
                    raise ValueError("an array of nothing")
                return {"type": "array", "items": items}
            case _:
                return self.converted(kind, level + 1)

    def _record(self, fields: list[dict[str, Any]]) -> dict[str, Any]:
        self._count += 1
        return {"type": "record", "name": f"r{self._count}", "fields": fields}


def _may_be_nothing(items: Any) -> bool:
    if isinstance(items, dict) and items["type"] == "record":
        return all(_may_be_nothing(field["type"]) for field in items["fields"])
    return bool(items == "null")


def _blank(field: dict[str, Any], guard: str) -> bytes:
    """A field of the guard: null, or the guard's text.

    Raises:
        ValueError: The field may not be null, or the guard's is no string.
    """
    wanted = "string" if field["name"] == guard else "null"
    branch = varint(field["type"].index(wanted))
    return branch + avro_bytes(_GUARD.encode()) if field["name"] == guard else branch
