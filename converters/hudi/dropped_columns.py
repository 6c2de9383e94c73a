"""Partition columns that a table leaves out of its data files, and sometimes out of its schema."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from converters.model.schema import Schema
from converters.model.types import PRIMITIVE_KINDS, Field

__all__ = ["with_partition_columns"]


def with_partition_columns(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema with the partition columns that it lacks: texts, at its end (``TableSchemaResolver``)."""
    added: list[Field] = []
    for name in names:
        if schema.field(name) is None and "." not in name:
            added.append(Field(id=schema.highest_id + 1 + len(added), name=name, type=PRIMITIVE_KINDS["string"]))
    return msgspec.structs.replace(schema, fields=(*schema.fields, *added))
