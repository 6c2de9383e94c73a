"""The properties of a target table: ours, the sync state, and whatever else is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from converters.iceberg.metadata.structs import TableMetadata
from converters.iceberg.schema.evolution import SchemaPlan
from converters.iceberg.schema.json_form import NARROW_TYPES_KEY, narrow_types_text
from converters.iceberg.schema.name_mapping import NAME_MAPPING_KEY, name_mapping_text
from converters.iceberg.schema.stored_facts import hidden_columns
from converters.iceberg.statistics.metrics_modes import with_metrics_modes
from converters.model.snapshot import Table
from converters.sync.state import XTABLE_KEY

__all__ = ["changed_since_sync", "is_of_our_making", "target_properties"]

HEAD_KEY = "tablecast.head"
"""Table property: the snapshot, schema and spec that the last sync left as the current ones, joined by colons."""

_DELETE_AFTER_COMMIT = "write.metadata.delete-after-commit.enabled"
_NEW_TABLE = {"write.parquet.compression-codec": "zstd"}


def target_properties(
    base: TableMetadata | None,
    source: Table,
    plan: SchemaPlan,
    state: Mapping[str, str],
    *,
    inexact: Iterable[int],
    head: tuple[int, int, int],
) -> dict[str, str]:
    """The properties of the next version; foreign ones stay.

    Args:
        base: The version before; None for a new table.
        source: The source table.
        plan: The target's next schema.
        state: The sync state as properties.
        inexact: Field ids of columns of which a bound is no value.
        head: The current snapshot (0 for none), schema and spec of the next version.
    """
    properties = dict(base.properties) if base else dict(_NEW_TABLE)
    properties.setdefault(_DELETE_AFTER_COMMIT, "true")
    schema = plan.schema
    former = None if plan.restarted else properties.get(NAME_MAPPING_KEY)
    properties[NAME_MAPPING_KEY] = name_mapping_text(schema, hidden_columns(source), former)
    narrow = narrow_types_text(schema)
    if narrow is not None:
        properties[NARROW_TYPES_KEY] = narrow
    else:
        properties.pop(NARROW_TYPES_KEY, None)
    if source.description:
        properties["comment"] = source.description
    properties[HEAD_KEY] = ":".join(str(part) for part in head)
    properties.update(state)
    return with_metrics_modes(properties, schema, inexact)


def is_of_our_making(metadata: TableMetadata) -> bool:
    """Whether the current snapshot is the one that our last sync left, and not XTable's or anybody else's."""
    return _head(metadata)[0] == str(metadata.current_snapshot_id or 0)


def _head(metadata: TableMetadata) -> list[str]:
    return metadata.properties.get(HEAD_KEY, "").split(":")


def changed_since_sync(metadata: TableMetadata) -> str | None:
    """What somebody else did to the table since the last sync, as far as it shows; None when nothing."""
    current = metadata.current_snapshot
    head = _head(metadata)
    here = [str(metadata.current_snapshot_id or 0), str(metadata.current_schema_id), str(metadata.default_spec_id)]
    if is_of_our_making(metadata):
        if head[1:2] != here[1:2]:
            return f"its schema is number {here[1]}, and was number {''.join(head[1:2])}"
        if head[2:3] != here[2:3]:
            return f"its partition spec is number {here[2]}, and was number {''.join(head[2:3])}"
        return None
    # XTable, which may take turns with us, marks its snapshots in their summaries instead.
    state = metadata.properties.get(XTABLE_KEY)
    if current is None:
        return None if HEAD_KEY not in metadata.properties else "its snapshot is gone"
    if (current.summary or {}).get(XTABLE_KEY) != state:
        return f"its current snapshot {current.snapshot_id} was not made by a sync"
    return None
