"""Partition specs between the model and Iceberg's JSON (Iceberg spec, "Partitioning" and appendix C)."""

from __future__ import annotations

import re
from typing import cast

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.iceberg.metadata.structs import PartitionFieldJson, SpecJson
from converters.model.partition import PartitionField, PartitionSpec, Transform, TransformKind

__all__ = ["parse_transform", "spec_from_json", "spec_to_json"]

_PARAMETERISED = re.compile(r"^(bucket|truncate)\[(\d{1,9})\]$")
_KINDS = {
    "identity": "identity",
    "year": "year",
    "years": "year",
    "month": "month",
    "months": "month",
    "day": "day",
    "days": "day",
    "hour": "hour",
    "hours": "hour",
    "void": "void",
}


def parse_transform(text: str) -> Transform | None:
    """The transform that Iceberg writes like this, in any case; None where none is known by that name."""
    lowered = text.strip().lower()
    if lowered in _KINDS:
        return Transform(cast("TransformKind", _KINDS[lowered]))
    match = _PARAMETERISED.match(lowered)
    if match is None or int(match[2]) == 0:
        return None
    return Transform(cast("TransformKind", match[1]), int(match[2]))


def spec_from_json(spec: SpecJson) -> PartitionSpec:
    """A partition spec as the model has it.

    Raises:
        UnsupportedTableFeature: A transform is unknown or takes several columns; the message names the field.
        CorruptTable: A field has no source column.
    """
    return PartitionSpec(spec.spec_id, tuple(_field(field, spec.spec_id) for field in spec.fields))


def spec_to_json(spec: PartitionSpec) -> SpecJson:
    """A partition spec as Iceberg writes it."""
    return SpecJson(
        spec_id=spec.spec_id,
        fields=tuple(
            PartitionFieldJson(
                name=field.name, transform=str(field.transform), source_id=field.source_id, field_id=field.id
            )
            for field in spec.fields
        ),
    )


def _field(field: PartitionFieldJson, spec_id: int) -> PartitionField:
    where = f"The partition field '{field.name}' of spec {spec_id}"
    transform = parse_transform(field.transform)
    if transform is None:
        raise UnsupportedTableFeature(f"{where} has the transform '{field.transform[:64]}', which is not known.")
    if len(field.source_ids) > 1:
        raise UnsupportedTableFeature(f"{where} is derived from several columns, which is not supported.")
    source_id = field.source_id if field.source_id is not None else next(iter(field.source_ids), None)
    if source_id is None or field.field_id is None:
        raise CorruptTable(f"{where} does not say which column it is derived from.")
    return PartitionField(id=field.field_id, source_id=source_id, name=field.name, transform=transform)
