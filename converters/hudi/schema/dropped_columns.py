"""Columns that a commit's schema leaves out: partition columns, and Hudi's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from converters.hudi.schema.avro_names import META_COLUMNS
from converters.model.schema import Schema
from converters.model.types import PRIMITIVE_KINDS, Field

__all__ = ["with_meta_columns", "with_partition_columns"]


_OF_EVERY_TABLE = 5
"""The last one is only in tables that keep changes, whose schemas say it."""


def with_partition_columns(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema with the partition columns that it lacks: texts, at its end (``TableSchemaResolver``)."""
    added: list[Field] = []
    for name in names:
        if schema.field(name) is None and "." not in name:
            added.append(Field(id=schema.highest_id + 1 + len(added), name=name, type=PRIMITIVE_KINDS["string"]))
    return msgspec.structs.replace(schema, fields=(*schema.fields, *added))


def with_meta_columns(text: str) -> str:
    """A table's Avro schema with the ``_hoodie_*`` columns that it lacks, at its beginning; as it is if it is none."""
    try:
        record: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    if not isinstance(record, dict) or not isinstance(record.get("fields"), list):
        return text
    there = {field.get("name") for field in record["fields"] if isinstance(field, dict)}
    lacking = [name for name in META_COLUMNS[:_OF_EVERY_TABLE] if name not in there]
    meta = [{"name": name, "type": ["null", "string"], "default": None} for name in lacking]
    return msgspec.json.encode({**record, "fields": [*meta, *record["fields"]]}).decode()
