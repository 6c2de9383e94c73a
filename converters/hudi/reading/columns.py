"""A table's columns, as far as its properties and its timeline say."""

from __future__ import annotations

import msgspec

from converters.hudi.reading.table_state import TableState
from converters.hudi.schema.column_history import ColumnHistory, read_column_history
from converters.hudi.schema.dropped_columns import with_meta_columns, with_partition_columns
from converters.hudi.schema.reader import TableSchema, parse_schema
from converters.model.schema import Schema

__all__ = ["TableColumns", "read_columns"]


class TableColumns(msgspec.Struct, frozen=True):
    """The columns.

    Attributes:
        text: Their Avro schema.
        parsed: The same, read.
        schema: The columns, partition columns that the Avro schema lacks among them, with the ids that they keep where
            the table has such.
        history: How they were changed.
    """

    text: str
    parsed: TableSchema
    schema: Schema
    history: ColumnHistory


def read_columns(state: TableState, *, keep_meta_columns: bool) -> TableColumns:
    """Read a table's columns.

    Args:
        state: The table.
        keep_meta_columns: Whether the ``_hoodie_*`` columns are among them.

    Raises:
        CorruptTable: A commit or a schema cannot be read.
        UnsupportedTableFeature: A type cannot be carried, or the table has no schema yet.
    """
    text, where = state.schema_text()
    if keep_meta_columns and state.config.populates_meta_fields:
        text = with_meta_columns(text)
    parsed = parse_schema(text, keep_meta_columns=keep_meta_columns, where=where)
    schema = parsed.schema
    if state.config.drops_partition_columns:
        schema = with_partition_columns(schema, state.config.partition_fields)
    history = read_column_history(state, keep_meta_columns=keep_meta_columns)
    return TableColumns(text, parsed, history.with_ids(schema), history)
