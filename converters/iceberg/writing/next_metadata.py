"""The table metadata of the next version (Iceberg spec, "Table Metadata Fields")."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

import msgspec

from converters.iceberg.metadata.structs import (
    EMPTY_JSON_ARRAY,
    MAIN_BRANCH,
    UNSORTED_ORDERS,
    MetadataLogEntry,
    RefJson,
    SnapshotJson,
    SnapshotLogEntry,
    TableMetadata,
)
from converters.iceberg.partitions.evolution import SpecPlan
from converters.iceberg.schema.evolution import SchemaPlan

__all__ = ["NextVersion", "Retention", "next_metadata", "next_timestamp"]

_MOST_VERSIONS_KEY = "write.metadata.previous-versions-max"
_MOST_VERSIONS = 100
_MILLIS_PER_HOUR = 3_600_000


class NextVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is about to be committed.

    Attributes:
        metadata: Its table metadata.
        expired: Snapshots that were dropped because of their age or number.
        forgotten: Metadata files that have dropped out of the log.
    """

    metadata: TableMetadata
    expired: tuple[SnapshotJson, ...]
    forgotten: tuple[str, ...]


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long snapshots are kept: so many ``hours``, and not more ``snapshots`` than that."""

    hours: int
    snapshots: int


def next_timestamp(base: TableMetadata | None) -> int:
    """Now, in milliseconds since the epoch; never before, and never at, the last change."""
    now = time.time_ns() // 1_000_000
    return now if base is None else max(now, base.last_updated_ms + 1)


def next_metadata(
    base: TableMetadata | None,
    *,
    base_path: str | None,
    location: str,
    format_version: int,
    timestamp: int,
    schema: SchemaPlan,
    specs: SpecPlan,
    properties: dict[str, str],
    snapshot: SnapshotJson | None,
    retention: Retention,
) -> NextVersion:
    """Put the next version together.

    Args:
        base: The version before; None for a new table.
        base_path: Where that one's metadata file is.
        location: The table's directory; only for a new table.
        format_version: 2 or 3.
        timestamp: When the version is made.
        schema: Its schemas.
        specs: Its partition specs.
        properties: Its properties.
        snapshot: The new state of the main branch; None to keep the one it has.
        retention: How long snapshots are kept that nothing refers to.
    """
    next_row_id = (base.next_row_id or 0) if base else 0
    if snapshot is not None and snapshot.added_rows is not None:
        next_row_id += snapshot.added_rows
    oldest = timestamp - retention.hours * _MILLIS_PER_HOUR
    kept = _retained(base, snapshot, schema, oldest, retention.snapshots)
    here = {each.snapshot_id for each in kept}
    dropped = [each for each in base.snapshots if each.snapshot_id not in here] if base else []
    current = snapshot.snapshot_id if snapshot else base.current_snapshot_id if base else None
    refs = {name: ref for name, ref in base.refs.items() if name != MAIN_BRANCH} if base else {}
    gone = {each.snapshot_id for each in dropped}
    refs = {name: ref for name, ref in refs.items() if ref.snapshot_id not in gone}
    if current is not None:
        main = base.refs.get(MAIN_BRANCH) if base else None
        refs[MAIN_BRANCH] = (
            msgspec.structs.replace(main, snapshot_id=current) if main else RefJson(snapshot_id=current, type="branch")
        )
    log, forgotten = _metadata_log(base, base_path, properties)
    metadata = TableMetadata(
        format_version=format_version,
        table_uuid=(base.table_uuid if base else None) or str(uuid.uuid4()),
        location=base.location if base else location,
        last_sequence_number=snapshot.sequence_number if snapshot else base.last_sequence_number if base else 0,
        last_updated_ms=timestamp,
        last_column_id=schema.last_column_id,
        current_schema_id=schema.json.schema_id or 0,
        schemas=schema.schemas,
        default_spec_id=specs.default_spec_id,
        partition_specs=specs.specs,
        last_partition_id=specs.last_partition_id,
        default_sort_order_id=base.default_sort_order_id if base else 0,
        sort_orders=base.sort_orders if base else UNSORTED_ORDERS,
        properties=properties,
        current_snapshot_id=current,
        next_row_id=next_row_id if format_version >= 3 else None,
        refs=refs,
        snapshots=kept,
        statistics=base.statistics if base else EMPTY_JSON_ARRAY,
        partition_statistics=base.partition_statistics if base else EMPTY_JSON_ARRAY,
        snapshot_log=_snapshot_log(base, snapshot, gone),
        metadata_log=log,
        encryption_keys=base.encryption_keys if base else None,
    )
    expired = tuple(each for each in dropped if not schema.restarted or each.timestamp_ms < oldest)
    return NextVersion(metadata=metadata, expired=expired, forgotten=forgotten)


def _retained(
    base: TableMetadata | None, snapshot: SnapshotJson | None, schema: SchemaPlan, oldest: int, most: int
) -> tuple[SnapshotJson, ...]:
    added = (snapshot,) if snapshot else ()
    if base is None or schema.restarted:
        return added
    needed = _referenced(base)
    if snapshot is None:
        needed.add(base.current_snapshot_id)
    newest = max(0, len(base.snapshots) + len(added) - most)
    kept = (
        each
        for place, each in enumerate(base.snapshots)
        if (each.timestamp_ms >= oldest and place >= newest) or each.snapshot_id in needed
    )
    return (*kept, *added)


def _referenced(base: TableMetadata) -> set[int | None]:
    """Snapshots that branches and tags other than main need: a branch keeps its ancestors."""
    parents = {each.snapshot_id: each.parent_snapshot_id for each in base.snapshots}
    needed: set[int | None] = set()
    for name, ref in base.refs.items():
        if name == MAIN_BRANCH:
            continue
        here: int | None = ref.snapshot_id
        while here is not None and here not in needed:
            needed.add(here)
            here = parents.get(here) if ref.type == "branch" else None
    return needed


def _snapshot_log(
    base: TableMetadata | None, snapshot: SnapshotJson | None, gone: Iterable[int]
) -> tuple[SnapshotLogEntry, ...]:
    """The log without anything up to the last expired snapshot, as what came before it is not complete any more."""
    log = list(base.snapshot_log) if base else []
    missing = set(gone)
    start = max((place + 1 for place, entry in enumerate(log) if entry.snapshot_id in missing), default=0)
    log = log[start:]
    if snapshot is not None:
        log.append(SnapshotLogEntry(timestamp_ms=snapshot.timestamp_ms, snapshot_id=snapshot.snapshot_id))
    return tuple(log)


def _metadata_log(
    base: TableMetadata | None, base_path: str | None, properties: dict[str, str]
) -> tuple[tuple[MetadataLogEntry, ...], tuple[str, ...]]:
    if base is None or base_path is None:
        return (), ()
    entries = [*base.metadata_log, MetadataLogEntry(timestamp_ms=base.last_updated_ms, metadata_file=base_path)]
    entries.sort(key=lambda entry: entry.timestamp_ms)
    text = properties.get(_MOST_VERSIONS_KEY, "")
    most = max(1, int(text)) if text.isascii() and text.isdigit() else _MOST_VERSIONS
    return tuple(entries[-most:]), tuple(entry.metadata_file for entry in entries[:-most])
