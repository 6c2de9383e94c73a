"""What a table is, and what would become of it in another format."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pyarrow.compute as pc

from converters.errors import TablecastError
from converters.formats import Source
from converters.model.snapshot import Snapshot
from converters.model.types import type_name
from converters.registry import open_target, target_class, target_names
from converters.storage.base import Storage
from converters.storage.object_store import ObjectStorage
from converters.sync.detection import open_source
from converters.sync.report import TargetError

__all__ = ["ColumnDescription", "Convertible", "TableDescription", "inspect"]


class ColumnDescription(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One top-level column."""

    name: str
    type: str
    required: bool
    doc: str | None = None


class Convertible(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Whether the table can be converted to a format: notes if it can, the error if not."""

    format: str
    error: TargetError | None = None
    notes: tuple[str, ...] = ()


class TableDescription(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a table is.

    ``files``, ``rows`` and ``bytes`` count live data; they are None when the files cannot be listed (the reason then
    stands in every member of ``convertible``).
    """

    format: str
    location: str
    metadata_path: str
    version: str
    committed_at: int
    name: str | None
    columns: tuple[ColumnDescription, ...]
    partitioned_by: tuple[str, ...]
    features: tuple[str, ...]
    files: int | None
    rows: int | None
    bytes: int | None
    convertible: tuple[Convertible, ...]


def inspect(
    path: str,
    *,
    source_format: str | None = None,
    options: Mapping[str, str] | None = None,
    storage: Storage | None = None,
) -> TableDescription:
    """Describe the table at a path, and say for each other format whether it could be converted; writes nothing.

    Args and errors are those of ``convert``.
    """
    storage = storage or ObjectStorage()
    source = open_source(path, source_format, dict(options or {}), storage)
    snapshot = source.snapshot()
    counts, unreadable = _count(source, snapshot, storage)
    table = snapshot.table
    convertible = tuple(
        _convertible(name, source, snapshot, storage, options or {}, unreadable)
        for name in target_names()
        if name != table.format
    )
    nodes = table.schema.by_id
    return TableDescription(
        format=table.format,
        location=table.location,
        metadata_path=table.metadata_path,
        version=snapshot.version,
        committed_at=snapshot.committed_at,
        name=table.name,
        columns=tuple(
            ColumnDescription(name=field.name, type=type_name(field.type), required=field.required, doc=field.doc)
            for field in table.schema.fields
        ),
        partitioned_by=tuple(
            field.name if field.transform.kind == "identity" else f"{field.transform}({nodes[field.source_id].dotted})"
            for field in table.default_spec.fields
            if field.source_id in nodes
        ),
        features=table.feature_names,
        files=counts[0] if counts else None,
        rows=counts[1] if counts else None,
        bytes=counts[2] if counts else None,
        convertible=convertible,
    )


def _count(
    source: Source, snapshot: Snapshot, storage: Storage
) -> tuple[tuple[int, int, int] | None, TablecastError | None]:
    files = rows = size = 0
    try:
        for batch in source.data_files(snapshot):
            storage.roots.check_all(batch.column("path"))
            files += len(batch)
            rows += pc.sum(batch.column("row_count")).as_py() or 0
            size += pc.sum(batch.column("size")).as_py() or 0
    except TablecastError as error:
        return None, error
    return (files, rows, size), None


def _convertible(
    name: str,
    source: Source,
    snapshot: Snapshot,
    storage: Storage,
    options: Mapping[str, str],
    unreadable: TablecastError | None,
) -> Convertible:
    try:
        if unreadable is not None:
            raise unreadable
        plugin = target_class(name)
        location = source.data_location() if plugin.lies_with_data else snapshot.table.location
        notes = [*source.notes(), *open_target(plugin, storage, location, options).check(snapshot)]
    except TablecastError as error:
        return Convertible(
            format=name,
            error=TargetError.of(error),
        )
    return Convertible(format=name, notes=tuple(notes))
