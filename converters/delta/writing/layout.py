"""How a snapshot is written as a Delta table: columns, column mapping, partition columns, table features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

from converters.delta.log.protocol import mapping_mode
from converters.delta.log.state import TableState
from converters.delta.partitions.columns import (
    PartitionColumn,
    generated_columns,
    identity_columns,
    identity_sources,
)
from converters.delta.schema.reader import read_schema, write_schema
from converters.delta.schema.writer import adapted, illegal_name, stored_as
from converters.errors import FullSyncNeeded, UnsupportedTableFeature
from converters.model.data_file import refuse_other_formats
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import PRIMITIVE_KINDS, all_fields
from converters.staging import FileColumns, stored_columns
from converters.storage.base import Storage

if TYPE_CHECKING:
    from converters.parquet.footers import Footer

__all__ = ["MAPPING_KEYS", "Layout", "LayoutPlan"]

_MODE_KEY = "delta.columnMapping.mode"
_HIGHEST_ID_KEY = "delta.columnMapping.maxColumnId"
MAPPING_KEYS = (_MODE_KEY, _HIGHEST_ID_KEY)
"""Table properties that only column mapping has."""

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
"""Names that every Iceberg writer stores as they are; others it may replace by what Avro allows (``a_x20b``)."""


class Layout(msgspec.Struct, frozen=True):
    """A Delta table to be.

    Attributes:
        schema: Its columns, generated ones included, with their names inside the files.
        mapped: Whether it uses column mapping (by name).
        partitions: Its partition columns.
        has_vectors: Whether a file has a deletion vector.
    """

    schema: Schema
    mapped: bool
    partitions: tuple[PartitionColumn, ...]
    has_vectors: bool = False

    @property
    def schema_string(self) -> str:
        """The schema in Delta's JSON."""
        return write_schema(self.schema, mapped=self.mapped)

    @property
    def without_statistics(self) -> frozenset[int]:
        """Columns whose values the partition values say."""
        return frozenset(each.column.id for each in self.partitions)

    @property
    def features(self) -> set[str]:
        """Delta table features that it needs."""
        fields = tuple(all_fields(self.schema.fields))
        found = {"columnMapping"} if self.mapped else set[str]()
        if self.has_vectors:
            found.add("deletionVectors")
        if any(field.required for field in fields):
            found.add("invariants")
        if any(node.type == PRIMITIVE_KINDS["timestamp"] for node in self.schema.nodes):
            found.add("timestampNtz")
        if any(field.default_sql is not None for field in fields):
            found.add("allowColumnDefaults")
        if any(field.generation_sql is not None for field in fields):
            found.add("generatedColumns")
        return found

    def configuration(self, present: Mapping[str, str]) -> dict[str, str]:
        """The table properties that column mapping needs; ids never go down."""
        if not self.mapped:
            return {}
        highest = present.get(_HIGHEST_ID_KEY, "")
        known = int(highest) if highest.isdecimal() else 0
        return {_MODE_KEY: "name", _HIGHEST_ID_KEY: str(max(self.schema.highest_id, known))}


class LayoutPlan:
    """What the snapshot alone says of the layout; the files say the rest."""

    def __init__(self, table: Table, *, uuid_as_binary: bool, generate: bool) -> None:
        """Look at a table.

        Raises:
            UnsupportedTableFeature: Delta cannot have it; the message names the column.
        """
        self._table = table
        self._schema, self.notes = adapted(table.schema, uuid_as_binary=uuid_as_binary)
        self._illegal_name = illegal_name(self._schema)
        write_schema(self._schema)
        partition_notes: list[str] = []
        self._generated = generated_columns(table, partition_notes) if generate else ()
        self._identities = identity_columns(table, self._generated, partition_notes)
        if self._is_mapped(self._schema) and table.default_spec.fields:
            partition_notes = ["The Delta table is not partitioned, because it maps the names of columns."]
        self.notes += partition_notes
        self._unsayable: set[int] = set()
        self._contradicted: set[int] = set()
        self._has_vectors = False

    def look_at(self, batch: pa.RecordBatch) -> None:
        """Take in what one batch of files says.

        Raises:
            UnsupportedTableFeature: A file is not Parquet, or a generated column cannot say a value.
        """
        refuse_other_formats(batch, "Delta")
        vectors = batch.column("deletion_vector")
        self._has_vectors = self._has_vectors or vectors.null_count < len(vectors)
        for each in self._identities:
            if each.column.id in self._unsayable:
                continue
            try:
                if each.column.id not in self._contradicted and each.is_contradicted(batch):
                    self._contradicted.add(each.column.id)
                each.texts(batch)
            except UnsupportedTableFeature:
                self._unsayable.add(each.column.id)
        for each in self._generated:
            each.texts(batch)

    def settle(self, storage: Storage, batches: Iterable[pa.RecordBatch], present: TableState | None) -> Layout:
        """Decide, now that all files were looked at.

        Args:
            storage: Where the files are.
            batches: All files.
            present: What the target is now: once it maps names, it goes on to.

        Raises:
            UnsupportedTableFeature: Delta readers would not find a column in the files, or find another one.
        """
        schema = self._schema
        absent: Mapping[int, str] = {}
        if self._must_ask_files():
            found = self._stored_columns(storage, batches, {})
            schema, absent = stored_as(schema, found.names), found.absent
        mapped = self._is_mapped(schema) or (present is not None and mapping_mode(present) != "none")
        # DuckDB reads null for some partition columns of tables that map names.
        partitions = self._partitions(absent) if not mapped else ()
        self._check_imported(partitions, absent)
        return self._layout(schema, partitions, mapped=mapped)

    def settle_added(
        self, storage: Storage, batches: Iterable[pa.RecordBatch], present: TableState, *, same_schema: bool
    ) -> Layout:
        """Decide where only the files that are added were looked at; of the others the target tells what was found.

        Args:
            storage: Where the files are.
            batches: The files that are added.
            present: What the target is now.
            same_schema: Whether it was written for the very same schema, field ids included.

        Raises:
            FullSyncNeeded: What was decided for the files that the target lists may no longer hold.
            UnsupportedTableFeature: Delta readers would not find a column in the added files, or find another one.
        """
        schema = self._schema
        absent: Mapping[int, str] = {}
        mode = mapping_mode(present)
        if self._must_ask_files() or mode != "none":
            if not same_schema:
                raise FullSyncNeeded("the schema has changed, and all data files must be asked how they hold it")
            known = self._names_known(present, mode)
            found = self._stored_columns(storage, batches, known)
            schema, absent = stored_as(schema, found.names), found.absent
        mapped = self._is_mapped(schema)
        used = set(present.metadata.partition_columns)
        identities = tuple(each for each in self._identities if each.column.name in used)
        if any(each.column.id in self._left_out(absent) for each in identities):
            raise FullSyncNeeded("the partitions of an added file cannot be those of the Delta table")
        partitions = (*identities, *self._generated) if not mapped else ()
        if mapped != (mode != "none") or [each.column.name for each in partitions] != list(
            present.metadata.partition_columns
        ):
            raise FullSyncNeeded("the partitioning or the mapping of columns has changed")
        self._check_imported(partitions, absent)
        return self._layout(schema, partitions, mapped=mapped)

    def _layout(self, schema: Schema, partitions: tuple[PartitionColumn, ...], *, mapped: bool) -> Layout:
        made = tuple(each.column for each in partitions if each.column.generation_sql is not None)
        whole = msgspec.structs.replace(schema, fields=(*schema.fields, *made))
        return Layout(whole, mapped, partitions, self._has_vectors)

    def _stored_columns(
        self, storage: Storage, batches: Iterable[pa.RecordBatch], known: Mapping[int, str]
    ) -> FileColumns:
        return stored_columns(
            self._table.schema,
            _footers(storage, batches),
            by_name=self._table.names_are_stable,
            target="Delta",
            known=known,
        )

    def _names_known(self, present: TableState, mode: str) -> Mapping[int, str]:
        """The names that columns have inside the files that the target lists."""
        if mode == "none":
            return {field.id: field.name for field in all_fields(self._schema.fields)}
        before = read_schema(present.metadata.schema_string, mode)
        return {field.id: field.stored_name for field in all_fields(before.fields)}

    def _left_out(self, absent: Mapping[int, str]) -> set[int]:
        """Columns that files carry, and that some reader would get wrong as partition columns."""
        return self._unsayable | (self._contradicted - absent.keys())

    def _partitions(self, absent: Mapping[int, str]) -> tuple[PartitionColumn, ...]:
        left_out = self._left_out(absent)
        return (*(each for each in self._identities if each.column.id not in left_out), *self._generated)

    def _is_mapped(self, schema: Schema) -> bool:
        return self._illegal_name is not None or any(
            field.stored_name != field.name for field in all_fields(schema.fields)
        )

    def _must_ask_files(self) -> bool:
        table = self._table
        kept = {each.column.id for each in self._identities} - self._unsayable - self._contradicted
        left = identity_sources(table) if self._is_mapped(self._schema) else identity_sources(table) - kept
        columns = tuple(all_fields(table.schema.fields))
        return (
            not table.names_are_stable
            or bool(table.promotions)
            or any(not _PLAIN.match(field.stored_name) for field in columns)
            or any(field.initial_default is not None for field in columns)
            or (table.field_ids != "all" and bool(left))
        )

    def _check_imported(self, partitions: Iterable[PartitionColumn], absent: Mapping[int, str]) -> None:
        """Refuse files that have a column's value in their partition only, where Delta has no such partition."""
        written = {each.column.id for each in partitions}
        for id_ in sorted(identity_sources(self._table) - written):
            if id_ in absent:
                node = self._table.schema.by_id[id_]
                raise UnsupportedTableFeature(
                    f"The data file '{absent[id_]}' lacks the column '{node.dotted}', whose value its partition says, "
                    "and the Delta table cannot be partitioned by it.",
                    hint="Rewrite the files that were imported.",
                )


def _footers(storage: Storage, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, Footer]]:
    from converters.parquet.footers import read_footers  # noqa: PLC0415 - slow to load and rarely needed

    for batch in batches:
        paths = batch.column("path").to_pylist()
        yield from zip(paths, read_footers(storage, paths, batch.column("size").to_pylist()), strict=True)
