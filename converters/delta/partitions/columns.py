"""Which columns partition the Delta table, and the texts that files have for them.

A Delta partition column is a column of the table, and its value in the log counts, whatever the file holds.  So a table
is partitioned by what partitions every one of its files by identity.  Other partition fields stay what they are for
readers: a matter of statistics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.partitions.values import partition_texts
from converters.delta.schema.generated_columns import generated_field, generated_texts
from converters.errors import UnsupportedTableFeature
from converters.model.partition import PartitionField, Transform
from converters.model.snapshot import Table
from converters.model.types import DecimalType, Field, PrimitiveType, Type, type_name

__all__ = ["PartitionColumn", "generated_columns", "identity_columns", "identity_sources", "texts_by_name"]

_KINDS = {"boolean", "byte", "short", "int", "long", "date", "timestamp", "timestamptz", "string"}
"""Types whose partition values all readers agree on.

DuckDB and delta-rs look for 0.0 and do not find a partition of -0.0; polars reads binary as Latin-1.
"""


_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class PartitionColumn(msgspec.Struct, frozen=True):
    """A partition column of the Delta table.

    Attributes:
        column: The column; for a generated one, the column that is made.
        source: The type of the column that the partition field is derived from.
        transform: How it is derived.
        field_ids: The partition fields that hold its value, one of them in each file.
    """

    column: Field
    source: Type
    transform: Transform
    field_ids: tuple[int, ...]

    def texts(self, batch: pa.RecordBatch) -> pa.Array:
        """The values of a batch of files as the log has them.

        Raises:
            UnsupportedTableFeature: Delta cannot say one of them.
        """
        partition = batch.column("partition")
        names = [str(id_) for id_ in self.field_ids if partition.type.get_field_index(str(id_)) >= 0]
        found = [pc.struct_field(partition, name) for name in names]
        values = found[0] if len(found) == 1 else pc.coalesce(*found)
        if self.transform.kind == "identity":
            return partition_texts(values, self.source, self.column.name)
        return generated_texts(values, self.transform, self.column.name)

    def is_contradicted(self, batch: pa.RecordBatch) -> bool:
        """Whether a file lies in a directory ``column=value`` of another value.

        Iceberg's writers name directories so, but not as Hive does (``column=null``, ``+`` for a space); polars takes
        partition values from there, and not from the log.
        """
        column = f"/{self.column.stored_name}="
        paths = batch.column("path")
        if not pc.any(pc.match_substring(paths, column)).as_py():
            return False
        found = pc.extract_regex(paths, f"{re.escape(column)}(?P<value>[^/]*)/")
        named = pc.struct_field(found, "value")
        texts = self.texts(batch)
        odd = pc.and_(pc.is_valid(named), pc.invert(pc.fill_null(pc.equal(named, texts), fill_value=False)))
        pairs = zip(named.filter(odd).to_pylist(), texts.filter(odd).to_pylist(), strict=True)
        return any(unquote(name) != (_HIVE_NULL if text is None else text) for name, text in set(pairs))


def identity_sources(table: Table) -> frozenset[int]:
    """Columns by which some live file is partitioned by identity: files imported from Hive may lack them."""
    return frozenset(
        field.source_id for spec in table.specs for field in spec.fields if field.transform.kind == "identity"
    )


def identity_columns(
    table: Table, generated: tuple[PartitionColumn, ...], notes: list[str]
) -> tuple[PartitionColumn, ...]:
    """The columns that partition every file of a table by identity.

    Args:
        table: The table.
        generated: What stands for other transforms.
        notes: Takes why other partition fields are not used.
    """
    said = {id_ for each in generated for id_ in each.field_ids}
    columns = {field.id: field for field in table.schema.fields}
    found: list[PartitionColumn] = []
    for field in table.default_spec.fields:
        source = table.schema.by_id.get(field.source_id)
        if field.transform.kind == "void" or source is None or field.id in said:
            continue
        what = source.dotted if field.transform.kind == "identity" else f"{field.transform}({source.dotted})"
        column = columns.get(field.source_id)
        if field.transform.kind != "identity":
            why = "Delta has no such partitioning"
        elif column is None:
            why = "it is within another column"
        elif not _can_partition(column.type):
            why = f"readers disagree on partitions of the type {type_name(column.type)}"
        elif not _in_every_spec(table, field):
            why = "some files are not"
        else:
            found.append(PartitionColumn(column, column.type, field.transform, _field_ids(table, field)))
            continue
        notes.append(f"The Delta table is not partitioned by {what}: {why}. Readers skip files by their statistics.")
    return tuple(found)


def generated_columns(table: Table, notes: list[str]) -> tuple[PartitionColumn, ...]:
    """XTable's generated columns for the time transforms of a table; ``notes`` takes what got none.

    Raises:
        UnsupportedTableFeature: The table has a column of such a name.
    """
    found: list[PartitionColumn] = []
    following = table.schema.highest_id + 1
    columns = {field.id: field for field in table.schema.fields}
    for field in table.default_spec.fields:
        column = columns.get(field.source_id)
        if column is None or field.transform.kind in {"identity", "void"}:
            continue
        made = generated_field(column, field.transform, following)
        if made is None or not _in_every_spec(table, field):
            notes.append(f"No generated column is made for {field.transform}({column.name}).")
            continue
        if any(each.name.lower() == made.name.lower() for each in table.schema.fields):
            raise UnsupportedTableFeature(f"The table has a column '{made.name}' already, which is to be generated.")
        found.append(PartitionColumn(made, column.type, field.transform, _field_ids(table, field)))
        following += 1
    return tuple(found)


def texts_by_name(columns: tuple[PartitionColumn, ...], batch: pa.RecordBatch) -> Mapping[str, pa.Array]:
    """The partition values of a batch, by the columns' names inside the files."""
    return {each.column.stored_name: each.texts(batch) for each in columns}


def _can_partition(type_: Type) -> bool:
    return isinstance(type_, DecimalType) or (isinstance(type_, PrimitiveType) and type_.kind in _KINDS)


def _in_every_spec(table: Table, field: PartitionField) -> bool:
    return all(any(_same(each, field) for each in spec.fields) for spec in table.specs)


def _field_ids(table: Table, field: PartitionField) -> tuple[int, ...]:
    return tuple(dict.fromkeys(each.id for each in _all_fields(table) if _same(each, field)))


def _all_fields(table: Table) -> Iterator[PartitionField]:
    for spec in table.specs:
        yield from spec.fields


def _same(one: PartitionField, other: PartitionField) -> bool:
    return (one.source_id, one.transform) == (other.source_id, other.transform)
