"""What a commit is going to be, before any file of the source is looked at: ids, schema, specs and layouts."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import CorruptTable, TablecastError
from converters.iceberg.manifests.entry_layout import EntryLayout, LeafLayout, PartitionMember
from converters.iceberg.metadata.structs import SpecJson, TableMetadata
from converters.iceberg.partitions.evolution import plan_specs
from converters.iceberg.partitions.json_form import spec_from_json
from converters.iceberg.schema.evolution import plan_schema
from converters.iceberg.writing.summary import DeleteKind
from converters.model.partition import PartitionSpec, result_type
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import Type

__all__ = ["TablePlan", "writable_specs"]


class TablePlan:
    """The next version of a table, as far as the source's table and the target's metadata tell it.

    Attributes:
        source: The source's table.
        base: The target as it stands; None where it is begun.
        format_version: The version that the table is written as; may yet be raised (``delete_rows``).
        schema: The target's schemas.
        specs: The target's partition specs.
        sequence_number: Of the new snapshot.
        snapshot_id: Of the new snapshot.
        leaves: The columns with statistics.
    """

    def __init__(
        self, source: Table, base: TableMetadata | None, format_version: int, *, may_raise: bool = True
    ) -> None:
        """Plan; nothing is read.

        Args:
            source: The source's table.
            base: The target as it stands; None where it is begun.
            format_version: Not below the target's.
            may_raise: Whether the version may become 3 where that is needed.
        """
        self._may_raise = may_raise
        self.source = source
        self.base = base
        self.format_version = format_version
        self.schema = plan_schema(source, base)
        self.specs = plan_specs(source, self.schema.schema, self.schema.ids, base)
        self.sequence_number = base.last_sequence_number + 1 if base else 1
        self.snapshot_id = _new_snapshot_id(base)
        self.leaves = tuple(
            LeafLayout(str(leaf.field.id), self.schema.ids[leaf.field.id], leaf.field.type)
            for leaf in source.schema.leaves
        )
        # Data manifests of version 2 are read in a table of version 3 as well, so that they need not wait until it
        # is known whether any row is deleted.
        self._layouts = {spec.spec_id: self._layout(spec) for spec in source.specs}

    @property
    def spec_json(self) -> dict[int, SpecJson]:
        """All specs of the target by their ids."""
        return {spec.spec_id: spec for spec in self.specs.specs}

    @property
    def next_row_id(self) -> int | None:
        """The first row id that is free; None before version 3, which begins to count (spec, "Row Lineage")."""
        if self.format_version < 3:
            return None
        return (self.base.next_row_id or 0) if self.base else 0

    @property
    def partition_types(self) -> dict[int, tuple[Type, ...]]:
        """The types of each spec's values, of specs all of whose columns there still are."""
        schema = self.schema.schema
        return {
            spec_id: tuple(result_type(field.transform, schema.by_id[field.source_id].type) for field in spec.fields)
            for spec_id, spec in writable_specs(self.specs.specs, schema).items()
        }

    @property
    def deletes_as(self) -> DeleteKind:
        """How deleted rows are said: as deletion vectors, unless version 2 was asked for."""
        return "position-delete-files" if self.format_version < 3 and not self._may_raise else "dvs"

    def delete_rows(self) -> None:
        """Raise the version, where it may be, to that which has deletion vectors."""
        if self._may_raise:
            self.format_version = max(self.format_version, 3)

    def by_layout(self, batch: pa.RecordBatch) -> Iterator[tuple[EntryLayout, pa.RecordBatch]]:
        """The batch's files by the target's specs.

        Raises:
            CorruptTable: A file's row count or partition spec is not known.
        """
        if len(batch) == 0:
            return
        if batch.column("row_count").null_count:
            path = batch.column("path").filter(batch.column("row_count").is_null())[0].as_py()
            raise CorruptTable(f"The row count of the data file '{path}' is not known.")
        for spec_id, part in _by_spec(batch):
            layout = self._layouts.get(spec_id)
            if layout is None:
                raise CorruptTable(
                    f"The data file '{part.column('path')[0].as_py()}' is of the partition spec {spec_id}, which the "
                    "table does not have."
                )
            yield layout, part

    def _layout(self, spec: PartitionSpec) -> EntryLayout:
        """What entries from the source's batches look like."""
        placed = self.specs.by_source[spec.spec_id]
        members = tuple(
            PartitionMember(
                str(field.id), target, result_type(field.transform, self.source.schema.by_id[field.source_id].type)
            )
            for field, target in zip(spec.fields, placed.fields, strict=True)
        )
        return EntryLayout(self.format_version, placed.spec_id, members, self.leaves)


def writable_specs(specs: Iterable[SpecJson], schema: Schema) -> dict[int, PartitionSpec]:
    """The specs all of whose fields are derived, in a way that we know, from a column that there is."""
    found: dict[int, PartitionSpec] = {}
    for spec in specs:
        try:
            known = spec_from_json(spec)
        except TablecastError:
            continue
        if all(field.source_id in schema.by_id for field in known.fields):
            found[known.spec_id] = known
    return found


def _new_snapshot_id(base: TableMetadata | None) -> int:
    taken = {each.snapshot_id for each in base.snapshots} if base else set[int]()
    while True:
        found = secrets.randbits(63)
        if found and found not in taken:
            return found


def _by_spec(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    spec_ids = batch.column("spec_id")
    distinct: list[int] = pc.unique(spec_ids).to_pylist()
    if len(distinct) == 1:
        yield distinct[0], batch
        return
    for spec_id in distinct:
        yield spec_id, batch.filter(pc.equal(spec_ids, spec_id))
