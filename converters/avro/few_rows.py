"""Decoding a few Avro rows as Python values: for what is so small that starting a columnar engine would cost more."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import msgspec

from converters.avro.reader import FlatSchema, UndecodableRowsError

__all__ = ["decode_few_rows"]

_FAULTS = (RecursionError, EOFError, ValueError, TypeError, LookupError, OverflowError, MemoryError, ArithmeticError)
"""What fastavro raises on bytes that are not what the schema says."""


def decode_few_rows(schema: FlatSchema, blocks: Sequence[tuple[int, bytes]]) -> list[dict[str, Any]]:
    """Decode rows.

    Args:
        schema: Theirs.
        blocks: The number of rows and the decompressed bytes of each block, in order.

    Raises:
        UndecodableRowsError: They cannot be decoded.
    """
    import fastavro  # noqa: PLC0415 - not everybody needs it
    from fastavro.schema import SchemaParseException  # noqa: PLC0415

    rows: list[dict[str, Any]] = []
    try:
        parsed = fastavro.parse_schema(msgspec.json.decode(schema.text))
        for count, content in blocks:
            stream = io.BytesIO(content)
            for _ in range(count):
                row = fastavro.schemaless_reader(stream, parsed, None)
                assert isinstance(row, dict)
                rows.append(row)
            if stream.tell() != len(content):
                raise UndecodableRowsError("rows are shorter than their block")
    except (SchemaParseException, *_FAULTS) as error:
        raise UndecodableRowsError(str(error).partition("\n")[0][:200] or type(error).__name__) from error
    return rows
