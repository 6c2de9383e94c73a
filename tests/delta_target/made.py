"""Snapshots of made-up tables over real Parquet files, with the statistics that the files' rows really have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from converters.deletes.blob import blob_of
from converters.delta import DeltaTarget
from converters.delta.target import DeltaTargetOptions
from converters.formats import Commit, TargetTable
from converters.model import (
    PRIMITIVE_KINDS,
    UNPARTITIONED,
    DecimalType,
    Field,
    FixedType,
    Leaf,
    ListType,
    MapType,
    PartitionField,
    PartitionSpec,
    Schema,
    Snapshot,
    StructType,
    Table,
    Transform,
    Type,
    arrow_type,
    data_file_batch,
    data_file_schema,
)
from converters.model.change import Change
from converters.model.deletion_vector import DELETION_VECTOR
from converters.storage import ObjectStorage, Storage
from converters.sync.state import SourceMark, SyncState

SIMPLE = {
    "bool": "boolean",
    "int8": "byte",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "float": "float",
    "double": "double",
    "date32[day]": "date",
    "time64[us]": "time",
    "timestamp[us]": "timestamp",
    "timestamp[us, tz=UTC]": "timestamptz",
    "timestamp[ns]": "timestamp_ns",
    "string": "string",
    "binary": "binary",
    "extension<arrow.uuid>": "uuid",
}


def schema_of(arrow: pa.Schema, **changes: Mapping[str, Any]) -> Schema:
    """A model schema like an Arrow one; ids count columns, then their members."""
    following = iter(range(len(arrow) + 1, 10_000))

    def type_of(type_: pa.DataType) -> Type:
        if pa.types.is_struct(type_):
            return StructType(tuple(field_of(each, next(following)) for each in type_))
        if pa.types.is_map(type_):
            key, value = next(following), next(following)
            return MapType(key, type_of(type_.key_type), value, type_of(type_.item_type))
        if pa.types.is_list(type_):
            return ListType(next(following), type_of(type_.value_type), not type_.value_field.nullable)
        if pa.types.is_decimal(type_):
            return DecimalType(type_.precision, type_.scale)
        if pa.types.is_fixed_size_binary(type_):
            return FixedType(type_.byte_width)
        return PRIMITIVE_KINDS[SIMPLE[str(type_)]]

    def field_of(field: pa.Field, id_: int) -> Field:
        return Field(
            id=id_,
            name=field.name,
            type=type_of(field.type),
            required=not field.nullable,
            **changes.get(field.name, {}),
        )

    return Schema(tuple(field_of(field, id_) for id_, field in enumerate(arrow, 1)))


def with_ids(rows: pa.Table, ids: Mapping[str, int]) -> pa.Table:
    """The rows with Parquet field ids for their top-level columns, by name."""
    fields = [field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in rows.schema]
    return rows.cast(pa.schema(fields))


class Made:
    """A table in a directory: its files are written, its snapshot is made up."""

    def __init__(
        self, directory: Path, schema: Schema, *, partition_by: Sequence[PartitionField] = (), **table: Any
    ) -> None:
        self.location = f"file://{directory}"
        self.directory = directory
        spec = PartitionSpec(1, tuple(partition_by)) if partition_by else UNPARTITIONED
        given: dict[str, Any] = {"name": "made", "specs": (spec,), "default_spec_id": spec.spec_id, "field_ids": "all"}
        self.table = Table(
            format="ICEBERG",
            location=self.location,
            id="7f2c0a5e",
            schema=schema,
            metadata_path=f"{self.location}/metadata/v1.metadata.json",
            schema_text="",
            **(given | table),
        )
        self._files: dict[str, tuple[pa.Table, dict[int, Any], int]] = {}
        self._deleted: dict[str, tuple[int, ...]] = {}
        self._synced: dict[str, object] = {}
        self.version = 1

    def write(self, name: str, rows: pa.Table, spec_id: int | None = None, **partition: Any) -> None:
        """Add or replace a file; ``partition`` are its values by the partition fields' names."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, store_decimal_as_integer=True)
        spec = self.table.default_spec if spec_id is None else self.table.spec(spec_id)
        values = {field.id: partition[field.name] for field in spec.fields if field.name in partition}
        self._files[name] = (rows, values, spec.spec_id)
        self.version += 1

    def drop(self, name: str) -> None:
        """Take a file out of the table; it stays where it is."""
        del self._files[name]
        self._deleted.pop(name, None)
        self.version += 1

    def delete(self, name: str, *positions: int) -> None:
        """Delete rows of a file, those that were deleted before included; without any, none is deleted any more."""
        self._deleted[name] = positions
        if not positions:
            del self._deleted[name]
        self.version += 1

    @property
    def rows(self) -> pa.Table:
        """All rows."""
        found: list[pa.Table] = []
        for name, (rows, *_) in self._files.items():
            deleted = self._deleted.get(name, ())
            found.append(rows.filter(pa.array([place not in deleted for place in range(len(rows))], pa.bool_())))
        return pa.concat_tables(found, promote_options="permissive")

    def snapshot(self) -> Snapshot:
        """The table now."""
        return Snapshot(version=str(self.version), committed_at=1_700_000_000_000 + self.version, table=self.table)

    def state(self) -> SyncState:
        """What a sync would leave of it."""
        carried = (self.table.schema, self.table.specs, self.table.name, self.table.description)
        mark = SourceMark(table_id=self.table.id, fingerprint=str(hash(carried)))
        return SyncState(
            last_instant=1_700_000_000_000 + self.version,
            source_format="ICEBERG",
            source_version=str(self.version),
            mark=mark,
        )

    def batches(self, size: int = 3) -> Iterator[pa.RecordBatch]:
        """Its files, a few in each batch."""
        names = list(self._files)
        for start in range(0, len(names), size):
            yield self._batch(names[start : start + size])

    def sync(
        self, *, storage: Storage | None = None, to: str | None = None, check: bool = True, **options: bool
    ) -> Commit:
        """Make the Delta table in the same directory (or at ``to``) equal to it."""
        target = self.target(storage, to=to, **options)
        if check:
            target.check(self.snapshot())
        self.is_synced()
        return target.replace(self.snapshot(), self.batches(), self.state(), target.current())

    def change(self) -> Change:
        """What was done since the last sync."""
        before, after = self._synced, self._entries()
        changed = [name for name in after if before.get(name) != after[name]]
        gone = [f"{self.location}/{name}" for name in before if name not in after]
        return Change(
            snapshot=self.snapshot(),
            added=lambda: iter([self._batch(changed)] if changed else []),
            removed=pa.chunked_array([gone], pa.string()),
            adds_only_new=not set(changed) & set(before),
        )

    def advance(self, *, storage: Storage | None = None, to: str | None = None, **options: bool) -> Commit:
        """Take the Delta table on by what was done since the last sync."""
        target = self.target(storage, to=to, **options)
        target.check(self.snapshot())
        base = target.current()
        assert base is not None
        commit = target.advance(self.change(), self.state(), base)
        self.is_synced()
        return commit

    def is_synced(self) -> None:
        """Take note that the Delta table equals it now."""
        self._synced = self._entries()

    def _entries(self) -> dict[str, object]:
        return {
            name: (id(rows), str(values), self._deleted.get(name)) for name, (rows, values, _) in self._files.items()
        }

    def target(self, storage: Storage | None = None, to: str | None = None, **options: bool) -> DeltaTarget:
        """The target in the same directory."""
        return DeltaTarget.open(storage or ObjectStorage(), to or self.location, DeltaTargetOptions(**options))

    def current(self) -> TargetTable:
        """What is at the target."""
        found = self.target().current()
        assert found is not None
        return found

    def _batch(self, names: Iterable[str]) -> pa.RecordBatch:
        files = [(name, *self._files[name]) for name in names]
        shape = data_file_schema(self.table.schema, self.table.specs)
        sizes = [(self.directory / name).stat().st_size for name, *_ in files]
        columns = {
            "path": pa.array([f"{self.location}/{name}" for name, *_ in files]),
            "size": pa.array(sizes, pa.int64()),
            "row_count": pa.array([len(rows) for _, rows, *_ in files], pa.int64()),
            "modified_at": pa.array([None if n else 1_700_000_000_000 for n in range(len(files))], pa.int64()),
            "spec_id": pa.array([spec_id for *_, spec_id in files], pa.int32()),
            "deletion_vector": pa.array([self._vector(name) for name, *_ in files], DELETION_VECTOR),
        }
        struct = shape.field("partition").type
        partition = {
            int(field.name): pa.array([values.get(int(field.name)) for _, _, values, _ in files], field.type)
            for field in struct
        }
        stats = {leaf.field.id: _stats(leaf, [rows for _, rows, *_ in files]) for leaf in self.table.schema.leaves}
        return data_file_batch(shape, columns, partition, stats)

    def _vector(self, name: str) -> dict[str, Any] | None:
        """Some lie in files of their own, behind other bytes, and some in the metadata."""
        deleted = self._deleted.get(name, ())
        if not deleted:
            return None
        blob = blob_of(np.array(deleted, np.uint64))
        vector = {"id": f"{name}:{deleted}", "cardinality": len(deleted)}
        if len(deleted) % 2:
            return vector | {"inline": blob}
        path = self.directory / "vectors" / f"{name.replace('/', '-')}-{len(deleted)}.puffin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"PFA1" + blob + b"PFA1")
        return vector | {"path": f"file://{path}", "offset": 4, "length": len(blob)}


def identity(schema: Schema, *names: str, kind: Any = "identity") -> tuple[PartitionField, ...]:
    """Partition fields for top-level columns."""
    return tuple(
        PartitionField(id=1000 + n, source_id=_id(schema, name), name=name, transform=Transform(kind))
        for n, name in enumerate(names)
    )


def _id(schema: Schema, name: str) -> int:
    field = schema.field(name)
    assert field is not None
    return field.id


def _stats(leaf: Leaf, files: Sequence[pa.Table]) -> dict[str, pa.Array]:
    found = [_file_stats(leaf, rows) for rows in files]
    types = {"null_count": pa.int64(), "nan_count": pa.int64(), "exact": pa.bool_()}
    made: dict[str, pa.Array] = {}
    for name in ("null_count", "nan_count", "lower", "upper", "exact"):
        values = [each[name] for each in found]
        if name in types:
            made[name] = pa.array(values, types[name])
        elif any(value is not None for value in values):
            type_ = arrow_type(leaf.field.type)
            made[name] = pa.array([None if value is None else value.cast(type_) for value in values], type_)
    return made


def _file_stats(leaf: Leaf, rows: pa.Table) -> dict[str, Any]:
    unknown: dict[str, Any] = dict.fromkeys(("null_count", "nan_count", "lower", "upper", "exact"))
    by_id = {(field.metadata or {}).get(b"PARQUET:field_id"): field.name for field in rows.schema}
    name = by_id.get(str(leaf.field.id).encode(), leaf.stored_path[0] if set(by_id) == {None} else None)
    if name is None or name not in rows.column_names:
        return unknown | {"null_count": len(rows)}
    values = rows[name].combine_chunks()
    for name in leaf.stored_path[1:]:
        values = pc.struct_field(values, name)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    nulls = values.null_count
    nans = None
    if pa.types.is_floating(values.type):
        nan = pc.fill_null(pc.is_nan(values), fill_value=False)
        nans = pc.sum(nan).as_py() or 0
        values = values.filter(pc.invert(nan))
    bounds = pc.min_max(values) if len(values) else None
    lower, upper = (bounds["min"], bounds["max"]) if bounds is not None else (None, None)
    if pa.types.is_floating(values.type) and lower is not None and upper is not None and lower.is_valid:
        lower = pa.scalar(-0.0 if lower.as_py() == 0 else lower.as_py(), values.type)
        upper = pa.scalar(0.0 if upper.as_py() == 0 else upper.as_py(), values.type)
    if lower is not None and not lower.is_valid:
        lower = upper = None
    return {"null_count": nulls, "nan_count": nans, "lower": lower, "upper": upper, "exact": True}
