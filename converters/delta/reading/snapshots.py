"""The model's snapshot of a Delta table, from the small actions of a version."""

from __future__ import annotations

from collections.abc import Sequence

from converters.delta.log.listing import LOG_DIRECTORY
from converters.delta.log.protocol import feature_names, mapping_mode
from converters.delta.log.state import TableState
from converters.delta.schema.reader import read_schema
from converters.delta.schema.type_changes import promotions
from converters.errors import CorruptTable
from converters.model.partition import FIRST_PARTITION_FIELD_ID, UNPARTITIONED, PartitionField, PartitionSpec
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.parquet.field_ids import settle_field_ids
from converters.parquet.footers import Footer
from converters.storage.location import join

__all__ = ["table_of"]


def table_of(location: str, state: TableState, footers: Sequence[Footer]) -> Table:
    """The table as its small actions describe it.

    Args:
        location: Its directory, canonical.
        state: Its small actions, which ``check_readable`` has passed.
        footers: Of some of its files.

    Raises:
        CorruptTable: The schema or the partition columns are not understood.
        UnsupportedTableFeature: A type or a type change that we do not know or cannot carry, or field ids in files
            that contradict each other.
    """
    metadata = state.metadata
    mode = mapping_mode(state)
    highest = metadata.properties.get("delta.columnMapping.maxColumnId", "0")
    named = read_schema(metadata.schema_string, mode, highest_id=int(highest) if highest.isdecimal() else 0)
    schema, field_ids = settle_field_ids(
        named,
        footers,
        mapped=mode != "none",
        complete=metadata.properties.get("delta.enableIcebergCompatV2", "").lower() == "true",
    )
    return Table(
        format="DELTA",
        location=location,
        id=metadata.id,
        name=metadata.name,
        description=metadata.description,
        schema=schema,
        specs=(_spec_of(state, schema),),
        default_spec_id=0,
        properties=metadata.properties,
        metadata_path=join(location, LOG_DIRECTORY),
        schema_text=metadata.schema_string,
        names_are_stable=True,
        field_ids=field_ids,
        feature_names=feature_names(state),
        promotions=promotions(metadata.schema_string, schema),
    )


def _spec_of(state: TableState, schema: Schema) -> PartitionSpec:
    fields: list[PartitionField] = []
    for number, name in enumerate(state.metadata.partition_columns, FIRST_PARTITION_FIELD_ID):
        column = schema.field(name)
        if column is None:
            msg = f"The partition column '{name}' is not in the table's schema."
            raise CorruptTable(msg)
        fields.append(PartitionField(id=number, source_id=column.id, name=column.name))
    return PartitionSpec(0, tuple(fields)) if fields else UNPARTITIONED
