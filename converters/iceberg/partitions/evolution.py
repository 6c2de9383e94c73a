"""The target's partition specs (Iceberg spec, "Partition Evolution")."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from converters.iceberg.manifests.schemas import avro_name
from converters.iceberg.metadata.structs import PartitionFieldJson, SpecJson, TableMetadata
from converters.iceberg.partitions.json_form import parse_transform, spec_to_json
from converters.model.partition import FIRST_PARTITION_FIELD_ID, PartitionField, PartitionSpec, Transform
from converters.model.schema import Schema
from converters.model.snapshot import Table

__all__ = ["SpecPlan", "plan_specs"]

_Derivation = tuple[int, str]


class SpecPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The target's next partition specs.

    Attributes:
        specs: All specs of the table.
        by_source: The target's spec for each spec id of the source.
        fields: The target's partition field for each partition field id of the source, by the target's spec id.
        default_spec_id: The spec of new files.
        last_partition_id: The highest partition field id ever used.
    """

    specs: tuple[SpecJson, ...]
    by_source: dict[int, PartitionSpec]
    default_spec_id: int
    last_partition_id: int


def plan_specs(table: Table, schema: Schema, ids: Mapping[int, int], base: TableMetadata | None) -> SpecPlan:
    """Say under which ids the source's specs and partition fields go to the target.

    Args:
        table: The source.
        schema: The target's next schema.
        ids: The target's field ids by the source's.
        base: The target as it stands; None where there is none.
    """
    planner = _Planner(schema, base)
    wanted = (
        sorted(table.specs, key=lambda spec: spec.spec_id != table.default_spec_id) if base is None else table.specs
    )
    by_source = {spec.spec_id: planner.place(spec, ids) for spec in wanted}
    return SpecPlan(
        specs=tuple(planner.specs),
        by_source=by_source,
        default_spec_id=by_source[table.default_spec_id].spec_id,
        last_partition_id=planner.last_partition_id,
    )


class _Planner:
    def __init__(self, schema: Schema, base: TableMetadata | None) -> None:
        self._schema = schema
        self.specs: list[SpecJson] = [_renamed(spec, schema) for spec in base.partition_specs] if base else []
        self.last_partition_id = base.last_partition_id if base else FIRST_PARTITION_FIELD_ID - 1
        self._known: dict[_Derivation, int] = {
            (field.source_id, _normal(field.transform)): field.field_id
            for spec in self.specs
            for field in spec.fields
            if field.source_id is not None and field.field_id is not None
        }

    def place(self, spec: PartitionSpec, ids: Mapping[int, int]) -> PartitionSpec:
        """Find the spec in the table, or append it."""
        derivations = [(ids[field.source_id], str(field.transform)) for field in spec.fields]
        for known in self.specs:
            if [(field.source_id, _normal(field.transform)) for field in known.fields] == derivations:
                return PartitionSpec(
                    known.spec_id,
                    tuple(_as_known(field, found, ids) for field, found in zip(spec.fields, known.fields, strict=True)),
                )
        spec_id = max((known.spec_id for known in self.specs), default=-1) + 1
        names: set[str] = set()
        fields: list[PartitionField] = []
        for field in spec.fields:
            source_id = ids[field.source_id]
            name = self._free_name(field, source_id, names)
            names.add(avro_name(name))
            fields.append(
                PartitionField(
                    id=self._field_id(source_id, field.transform),
                    source_id=source_id,
                    name=name,
                    transform=field.transform,
                )
            )
        placed = PartitionSpec(spec_id, tuple(fields))
        self.specs.append(spec_to_json(placed))
        return placed

    def _field_id(self, source_id: int, transform: Transform) -> int:
        derivation = (source_id, str(transform))
        if derivation not in self._known:
            self.last_partition_id += 1
            self._known[derivation] = self.last_partition_id
        return self._known[derivation]

    def _free_name(self, field: PartitionField, source_id: int, taken: set[str]) -> str:
        """Find a name that Java takes.

        An identity field may be called as its column; otherwise a column's name is not free.  In manifests names are
        Avro's, and two must not become one.
        """
        candidates = [field.name, f"{field.name}_{field.transform.kind}"]
        if field.transform.kind == "identity":
            candidates.insert(0, self._schema.by_id[source_id].dotted)
        number = 1
        while True:
            name = candidates.pop(0) if candidates else f"{field.name}_{number}"
            number += 0 if candidates else 1
            if avro_name(name) not in taken and not _clashes(name, field.transform.kind, source_id, self._schema):
                return name


def _clashes(name: str, kind: str, source_id: int, schema: Schema) -> bool:
    column = next((node for node in schema.nodes if node.dotted == name), None)
    return column is not None and not (kind == "identity" and column.id == source_id)


def _normal(transform: str) -> str:
    parsed = parse_transform(transform)
    return str(parsed) if parsed is not None else transform


def _as_known(field: PartitionField, known: PartitionFieldJson, ids: Mapping[int, int]) -> PartitionField:
    assert known.field_id is not None
    return PartitionField(id=known.field_id, source_id=ids[field.source_id], name=known.name, transform=field.transform)


def _renamed(spec: SpecJson, schema: Schema) -> SpecJson:
    """Rename what clashes with a new column: readers bind every spec of the table to the current schema."""
    taken = {avro_name(field.name) for field in spec.fields}
    fields: list[PartitionFieldJson] = []
    for field in spec.fields:
        name = field.name
        while _clashes(name, _normal(field.transform), field.source_id or 0, schema) or (
            name != field.name and avro_name(name) in taken
        ):
            name = f"{name}_{field.field_id}"
        taken.add(avro_name(name))
        fields.append(field if name == field.name else msgspec.structs.replace(field, name=name))
    return msgspec.structs.replace(spec, fields=tuple(fields))
