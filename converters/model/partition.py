"""Partition specs: how a file's partition tuple is derived from its rows (Iceberg spec, "Partitioning")."""

from __future__ import annotations

from typing import Literal

import msgspec
import pyarrow as pa

from converters.model.types import PRIMITIVE_KINDS, Type, arrow_type

__all__ = [
    "FIRST_PARTITION_FIELD_ID",
    "IDENTITY",
    "UNPARTITIONED",
    "PartitionField",
    "PartitionSpec",
    "Transform",
    "TransformKind",
    "partition_arrow_type",
    "result_type",
]

TransformKind = Literal["identity", "year", "month", "day", "hour", "bucket", "truncate", "void"]

FIRST_PARTITION_FIELD_ID = 1000
"""Partition field ids start here (Iceberg spec, "Partition Specs")."""


class Transform(msgspec.Struct, frozen=True):
    """A function of one column; ``parameter`` is the bucket count or the truncation width."""

    kind: TransformKind
    parameter: int | None = None

    def __str__(self) -> str:
        return self.kind if self.parameter is None else f"{self.kind}[{self.parameter}]"


IDENTITY = Transform("identity")


class PartitionField(msgspec.Struct, frozen=True, kw_only=True):
    """One member of the partition tuple.

    Attributes:
        id: Identity of the partition field, over all specs of the table; from 1000.
        source_id: Field id of the column that it is derived from.
        name: Name of the member; for a Delta partition column, the column's name.
        transform: How it is derived.
    """

    id: int
    source_id: int
    name: str
    transform: Transform = IDENTITY


class PartitionSpec(msgspec.Struct, frozen=True):
    """The partition fields that files of one spec carry."""

    spec_id: int
    fields: tuple[PartitionField, ...] = ()

    @property
    def is_unpartitioned(self) -> bool:
        """Whether every file of this spec is in one and the same partition."""
        return all(field.transform.kind == "void" for field in self.fields)


UNPARTITIONED = PartitionSpec(0)


def result_type(transform: Transform, source: Type) -> Type:
    """The type of a transform's results (Iceberg spec, "Partition Transforms").

    ``day`` gives a date, ``year``, ``month``, ``hour`` and ``bucket`` an int, the others the source's type.
    """
    match transform.kind:
        case "identity" | "truncate" | "void":
            return source
        case "day":
            return PRIMITIVE_KINDS["date"]
        case _:
            return PRIMITIVE_KINDS["int"]


def partition_arrow_type(transform: Transform, source: Type) -> pa.DataType:
    """The Arrow type of a transform's results, as they stand in a ``DataFile`` batch."""
    return arrow_type(result_type(transform, source))
