"""How a snapshot is written as a Hudi table: its schema, its partitions, and what makes it impossible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.hudi.partitions.target_paths import (
    DirectoryForms,
    Located,
    PartitionColumn,
    PartitionDirectories,
    locate,
)
from converters.hudi.schema.avro_names import META_COLUMNS
from converters.hudi.schema.writer import write_schema
from converters.hudi.writing.source_files import SourceFiles
from converters.model.data_file import refuse_other_formats
from converters.model.partition import PartitionSpec
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import (
    PRIMITIVE_KINDS,
    Field,
    ListType,
    MapType,
    StructType,
    Type,
    all_fields,
    fields_inside,
)
from converters.staging import stored_columns
from converters.storage.base import Storage
from converters.storage.location import join

if TYPE_CHECKING:
    from converters.parquet.footers import Footer

__all__ = ["Layout", "LayoutPlan"]

_FILES_AT_ONCE = 4_096
_MISREAD = frozenset({"date", "float"})
"""Former types that readers do not widen as others do."""
_META_PREFIX = "_hoodie_"


class Layout(msgspec.Struct, frozen=True):
    """A Hudi table to be.

    Attributes:
        schema: Its columns; none is required.
        schema_text: The same as Avro.
        partition_columns: Names, in the order of the directories' levels.
        record_key: Names of the columns that identify a row; may be empty.
        forms: Which forms the directories may be in.
    """

    schema: Schema
    schema_text: str
    partition_columns: tuple[str, ...]
    record_key: tuple[str, ...]
    forms: DirectoryForms


class LayoutPlan:
    """What the snapshot alone says; the files say the rest.

    Attributes:
        schema: The columns as the target has them.
        partition_columns: Names of the partition columns.
    """

    def __init__(self, table: Table, location: str, name: str) -> None:
        """Look at a table.

        Args:
            table: The source's.
            location: The target's directory.
            name: The target's name.

        Raises:
            UnsupportedTableFeature: Hudi cannot have it; the message names the column.
        """
        self._table = table
        self._location = location
        self.schema = msgspec.structs.replace(table.schema, fields=tuple(map(_nullable, table.schema.fields)))
        _check_columns(self.schema)
        self.schema_text = write_schema(self.schema, name)
        columns = _partition_columns(table)
        self.partition_columns = tuple(column.name for column in columns)
        self._directories = PartitionDirectories(columns)
        self._specs = {spec.spec_id: _sources(spec) for spec in table.specs}

    def look_at(self, batch: pa.RecordBatch) -> Located:
        """Check one batch of files.

        Returns:
            Where they lie.

        Raises:
            UnsupportedTableFeature: A file is not Parquet, or does not lie where readers of Hudi would look for it.
        """
        refuse_other_formats(batch, "Hudi")
        wanted = _sources(self._table.default_spec)
        for spec_id in pc.unique(batch.column("spec_id")).to_pylist():
            if self._specs.get(spec_id) != wanted:
                path = batch.column("path").filter(pc.equal(batch.column("spec_id"), spec_id))[0]
                raise UnsupportedTableFeature(
                    f"The data file '{path}' is partitioned otherwise than the table is now; a Hudi table has one "
                    "partitioning.",
                    hint="Rewrite the files from before the partitioning was changed.",
                )
        located = locate(batch.column("path"), self._location)
        self._directories.look_at(located, batch)
        return located

    def must_ask_files(self) -> bool:
        """Whether only the files say if readers find every column in them."""
        fields = tuple(all_fields(self._table.schema.fields))
        return (
            not self._table.names_are_stable
            or not _MISREAD.isdisjoint(self._table.promotions.values())
            or any(field.stored_name != field.name for field in fields)
            or any(field.initial_default is not None for field in fields)
        )

    def settle(self, storage: Storage, files: SourceFiles) -> Layout:
        """Decide, now that all files were looked at.

        Raises:
            UnsupportedTableFeature: Readers would not find a column in the files, or find another one.
        """
        if self.must_ask_files():
            footers = _footers(storage, self._location, files)
            by_name = self._table.names_are_stable
            found = stored_columns(self._table.schema, footers, by_name=by_name, target="Hudi", widens=_widens)
            for field in self._table.schema.fields:
                _check_names(field, found.names, (field.name,))
        by_id = self._table.schema.by_id
        keys = [by_id[id_] for id_ in self._table.schema.identifier_field_ids if id_ in by_id]
        return Layout(
            schema=self.schema,
            schema_text=self.schema_text,
            partition_columns=self.partition_columns,
            record_key=tuple(node.dotted for node in keys),
            forms=self._directories.forms,
        )


def _widens(type_: Type) -> bool:
    """Readers widen most that a table's type may be widened from.

    Not Hudi 0.15 a date to a timestamp; and all make of the float 7.1 the double 7.1, going by way of its text, where
    readers of other formats make 7.099999904632568.
    """
    return type_ not in {PRIMITIVE_KINDS[kind] for kind in ("timestamp", "timestamptz", "double")}


def _footers(storage: Storage, location: str, files: SourceFiles) -> Iterator[tuple[str, Footer]]:
    from converters.parquet.footers import read_footers  # noqa: PLC0415 - slow to load and rarely needed

    table = files.table()
    for start in range(0, len(table), _FILES_AT_ONCE):
        part = table.slice(start, _FILES_AT_ONCE)
        below = [
            f"{partition}/{name}" if partition else name
            for partition, name in zip(part["partition"].to_pylist(), part["name"].to_pylist(), strict=True)
        ]
        paths = [join(location, each) for each in below]
        yield from zip(paths, read_footers(storage, paths, part["size"].to_pylist()), strict=True)


def _check_columns(schema: Schema) -> None:
    for field in schema.fields:
        if field.name.startswith(_META_PREFIX) or field.name in META_COLUMNS:
            raise UnsupportedTableFeature(
                f"The column '{field.name}' has a name of Hudi's own columns.", hint="Rename the column."
            )


def _check_names(field: Field, names: dict[int, str] | object, path: tuple[str, ...]) -> None:
    """Refuse columns that the files call otherwise: readers of Hudi find a column by its one name."""
    found = names.get(field.id, field.name) if isinstance(names, dict) else field.name
    if found != field.name:
        raise UnsupportedTableFeature(
            f"The column '{'.'.join(path)}' is called '{found}' in the data files; readers of Hudi would not find it.",
            hint="Rewrite the data files.",
        )
    for inner in fields_inside(field.type):
        _check_names(inner, names, (*path, inner.name))


def _partition_columns(table: Table) -> tuple[PartitionColumn, ...]:
    found: list[PartitionColumn] = []
    for field in table.default_spec.fields:
        if field.transform.kind == "void":
            continue
        node = table.schema.by_id[field.source_id]
        if field.transform.kind != "identity":
            raise UnsupportedTableFeature(
                f"The table is partitioned by {field.transform} of '{node.dotted}'; Hudi's readers take the values of "
                "partition columns from directories, and would show the transform's result as the column's value.",
                hint="Partition the table by the column itself, or not at all.",
            )
        name, *inner = node.path
        if inner:
            raise UnsupportedTableFeature(
                f"The table is partitioned by the struct member '{node.dotted}', which Hudi's readers do not support.",
                hint="Partition the table by a column of its own.",
            )
        members = dict.fromkeys(
            each.id
            for spec in table.specs
            for each in spec.fields
            if each.source_id == field.source_id and each.transform.kind == "identity"
        )
        found.append(PartitionColumn(name, node.type, tuple(members)))
    return tuple(found)


def _sources(spec: PartitionSpec) -> tuple[tuple[int, str], ...]:
    return tuple((field.source_id, str(field.transform)) for field in spec.fields if field.transform.kind != "void")


def _nullable(field: Field) -> Field:
    """The column without what Hudi's readers would have to trust."""
    return msgspec.structs.replace(field, required=False, type=_nullable_type(field.type))


def _nullable_type(type_: Type) -> Type:
    match type_:
        case StructType(fields):
            return StructType(tuple(map(_nullable, fields)))
        case ListType(element_id, element):
            return ListType(element_id, _nullable_type(element))
        case MapType(key_id, key, value_id, value):
            return MapType(key_id, key, value_id, _nullable_type(value))
        case _:
            return type_
