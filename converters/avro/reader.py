"""Decoding rows of Avro blocks into Arrow columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from converters.avro.container import avro_bytes, plain_container

__all__ = ["FlatColumn", "FlatSchema", "UndecodableRowsError", "decode_rows"]

_GUARD = "tablecast:end-of-rows"


class FlatColumn(msgspec.Struct, frozen=True):
    """A column of the flat schema.

    Attributes:
        name: Its name there; unique.
        label: The name that the file gives it.
        type: The Avro type, without null.
        logical_type: Its annotation, if any.
        blank: How the schema's zero, or null, is written.
    """

    name: str
    label: str
    type: Any
    logical_type: str | None
    blank: bytes


class FlatSchema(msgspec.Struct, frozen=True):
    """The columns in order, and the flat schema as JSON text."""

    columns: tuple[FlatColumn, ...]
    text: bytes

    def column(self, name: str) -> FlatColumn | None:
        """The column of this name, if the file has it."""
        return next((column for column in self.columns if column.name == name), None)


class UndecodableRowsError(ValueError):
    """The bytes are no rows of this schema."""


def decode_rows(
    schema: FlatSchema, rows: int, content: Sequence[bytes | memoryview], columns: Sequence[str], *, key: str
) -> pa.Table:
    """Decode rows.

    Args:
        schema: Theirs.
        rows: How many they are.
        content: Decompressed blocks, in order.
        columns: Names of the columns wanted; those that the schema has not are left out.
        key: A string column among them.  A last row of our own is recognised by it: were a row longer or shorter
            than its schema says, all that follow would be misread, and so would that one.

    Returns:
        The columns, in the schema's order; every column in one chunk.

    Raises:
        UndecodableRowsError: They cannot be decoded.
    """
    import polars as pl  # noqa: PLC0415 - heavy
    from polars.exceptions import PanicException, PolarsError  # noqa: PLC0415

    guard = b"".join(avro_bytes(_GUARD.encode()) if column.name == key else column.blank for column in schema.columns)
    container = plain_container(schema.text, rows + 1, [*content, guard])
    present = {column.name for column in schema.columns}
    wanted = [name for name in columns if name in present]
    try:
        frame = pl.read_avro(io.BytesIO(container), columns=wanted)
        if len(frame) != rows + 1 or frame[key][-1] != _GUARD:
            raise UndecodableRowsError("rows are longer or shorter than their schema says")
        return frame.head(rows).to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    except (PolarsError, PanicException, OSError) as error:
        raise UndecodableRowsError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
