"""Sources without a format of their own: Parquet files, and the model's description of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from converters.formats import Commit
from converters.iceberg.metadata.structs import TableMetadata
from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.model import (
    PRIMITIVE_KINDS,
    UNPARTITIONED,
    DecimalType,
    Field,
    ListType,
    PartitionField,
    PartitionSpec,
    PrimitiveType,
    Schema,
    Snapshot,
    StructType,
    Table,
    Type,
    arrow_type,
    data_file_batch,
    data_file_schema,
)
from converters.storage import ObjectStorage, Storage
from converters.sync.state import SourceMark, SyncState
from tests.readers.tables import static_table

__all__ = [
    "Source",
    "by_column",
    "edit_metadata",
    "fields",
    "files_under",
    "live_entries",
    "some_rows",
    "state_of",
    "sync",
    "target_metadata",
    "target_of",
    "typed_rows",
    "typed_schema",
]

P = PRIMITIVE_KINDS


def fields(**types: Type | str) -> Schema:
    """A schema of top-level columns, numbered from 1."""
    named = {name: P[type_] if isinstance(type_, str) else type_ for name, type_ in types.items()}
    return Schema(tuple(Field(id=id_, name=name, type=type_) for id_, (name, type_) in enumerate(named.items(), 1)))


def by_column(schema: Schema, *names: str) -> PartitionSpec:
    """A spec of identity fields, named as their columns."""
    return PartitionSpec(
        0,
        tuple(
            PartitionField(id=id_, source_id=schema.by_path[name,].id, name=name)
            for id_, name in enumerate(names, 1000)
        ),
    )


class Source(msgspec.Struct, kw_only=True):
    """A directory of Parquet files, each under one partition tuple, with the bounds that their values have.

    A file in ``bounds_of`` has the bounds of these other rows.  Statistics named in ``unknown`` are not known.
    """

    directory: Path
    schema: Schema
    spec: PartitionSpec = UNPARTITIONED
    version: int = 1
    table_id: str = "source"
    changes: dict[str, Any] = {}
    files: dict[str, tuple[pa.Table, tuple[Any, ...]]] = {}
    exact: bool = True
    bounds_of: dict[str, pa.Table] = {}
    unknown: tuple[str, ...] = ()

    def add(self, rows: pa.Table, partition: tuple[Any, ...] = ()) -> str:
        """Write a data file without its partition columns; gives its path."""
        sources = {self.schema.by_id[field.source_id].path[0] for field in self.spec.fields}
        name = f"part-{len(list(self.directory.glob('*.parquet'))):05d}.parquet"
        self.directory.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            rows.drop_columns([each for each in rows.column_names if each in sources]), self.directory / name
        )
        self.files = {**self.files, name: (rows, partition)}
        self.version += 1
        return name

    def drop(self, name: str) -> None:
        """Forget a data file."""
        self.files = {each: known for each, known in self.files.items() if each != name}
        self.version += 1

    def rows(self) -> pa.Table:
        """All rows."""
        return pa.concat_tables([rows for rows, _ in self.files.values()])

    def snapshot(self) -> Snapshot:
        """The table's state."""
        table = Table(
            format="DELTA",
            location=f"file://{self.directory}",
            id=self.table_id,
            schema=self.schema,
            specs=(self.spec,),
            default_spec_id=self.spec.spec_id,
            metadata_path=f"file://{self.directory}/_delta_log",
            schema_text="{}",
            name="t",
            field_ids="none",
        )
        return Snapshot(
            version=str(self.version),
            committed_at=1_700_000_000_000 + self.version,
            table=msgspec.structs.replace(table, **self.changes),
        )

    def batch(self) -> pa.RecordBatch:
        """All files as one batch."""
        shape = data_file_schema(self.schema, (self.spec,))
        members = shape.field("partition").type
        partition = {
            int(member.name): pa.array([values[place] for _, values in self.files.values()], member.type)
            for place, member in enumerate(members)
        }
        columns = {
            "path": pa.array([f"file://{self.directory}/{name}" for name in self.files], pa.string()),
            "size": pa.array([(self.directory / name).stat().st_size for name in self.files], pa.int64()),
            "row_count": pa.array([len(rows) for rows, _ in self.files.values()], pa.int64()),
            "spec_id": pa.repeat(pa.scalar(self.spec.spec_id, pa.int32()), len(self.files)),
        }
        stats = {leaf.field.id: self._stats(leaf.path, arrow_type(leaf.field.type)) for leaf in self.schema.leaves}
        return data_file_batch(shape, columns, partition, stats)

    def _stats(self, path: tuple[str, ...], type_: pa.DataType) -> dict[str, pa.Array]:
        each = [
            (*_statistics(rows, path, type_)[:2], *_statistics(self.bounds_of.get(name, rows), path, type_)[2:])
            for name, (rows, _) in self.files.items()
        ]
        found = {
            name: pa.array([one[place] for one in each], kind)
            for place, (name, kind) in enumerate(
                (("null_count", pa.int64()), ("nan_count", pa.int64()), ("lower", type_), ("upper", type_))
            )
        }
        found["exact"] = pa.repeat(pa.scalar(self.exact), len(each))
        return {name: values for name, values in found.items() if name not in self.unknown}


def _statistics(rows: pa.Table, path: tuple[str, ...], type_: pa.DataType) -> tuple[Any, Any, Any, Any]:
    if path[0] not in rows.column_names:
        return len(rows), None, None, None
    values = rows.column(path[0])
    for name in path[1:]:
        if values.type.get_field_index(name) < 0:
            return len(rows), None, None, None
        values = pc.struct_field(values, name)
    values = values.combine_chunks().cast(type_)
    known = values.drop_null()
    nans = None
    if pa.types.is_floating(type_):
        is_nan = pc.is_nan(known)
        nans, known = pc.sum(is_nan).as_py() or 0, known.filter(pc.invert(is_nan))
    if not len(known):
        return values.null_count, nans, None, None
    order = pc.sort_indices(known)
    low, high = known[order[0].as_py()].as_py(), known[order[-1].as_py()].as_py()
    if pa.types.is_floating(type_):
        low, high = (-0.0 if low == 0 else low), (0.0 if high == 0 else high)
    return values.null_count, nans, low, high


def state_of(source: Source, fingerprint: str = "same") -> SyncState:
    """The state that a sync of the source leaves."""
    snapshot = source.snapshot()
    return SyncState(
        last_instant=snapshot.committed_at,
        source_format="DELTA",
        source_version=snapshot.version,
        mark=SourceMark(table_id=source.table_id, fingerprint=fingerprint),
    )


def sync(source: Source, storage: Storage | None = None, **options: Any) -> Commit:
    """Bring the Iceberg table in the source's own directory up to date."""
    target = IcebergTarget.open(
        storage or ObjectStorage(), f"file://{source.directory}", IcebergTargetOptions(**options)
    )
    base, snapshot = target.current(), source.snapshot()
    target.check(snapshot)
    return target.replace(snapshot, iter([source.batch()]), state_of(source), base)


def target_metadata(directory: Path) -> TableMetadata:
    """The Iceberg table's metadata."""
    current = IcebergTarget.open(ObjectStorage(), f"file://{directory}", IcebergTargetOptions()).current()
    assert current is not None
    metadata: TableMetadata = current.handle.metadata
    return metadata


_TYPES: dict[str, Type] = {
    "id": P["long"],
    "small": P["int"],
    "flag": P["boolean"],
    "f": P["float"],
    "d": P["double"],
    "day": P["date"],
    "at": P["timestamptz"],
    "local": P["timestamp"],
    "price": DecimalType(12, 2),
    "huge": DecimalType(38, 10),
    "s": P["string"],
    "raw": P["binary"],
}


def typed_schema() -> Schema:
    """A schema with columns of most types, a struct and a list."""
    flat = [Field(id=id_, name=name, type=type_) for id_, (name, type_) in enumerate(_TYPES.items(), 1)]
    inner = StructType((Field(id=15, name="x", type=P["long"]), Field(id=16, name="y", type=P["string"])))
    return Schema(
        (
            *flat,
            Field(id=13, name="inner", type=inner),
            Field(id=14, name="tags", type=ListType(17, PrimitiveType("string"))),
        )
    )


def typed_rows(numbers: Sequence[int]) -> pa.Table:
    """Rows for ``typed_schema``, with negative, early, special and missing values."""
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

    def some(place: int, values: list[Any]) -> list[Any]:
        return [None if (n + place) % 7 == 0 else value for n, value in zip(numbers, values, strict=True)]

    moments = [epoch + dt.timedelta(hours=37 * n, microseconds=n) for n in numbers]
    specials = {3: float("nan"), 11: float("inf"), 12: float("-inf"), 13: -0.0}
    columns = {
        "id": list(numbers),
        "small": some(1, [n * 1000 for n in numbers]),
        "flag": some(2, [n % 2 == 0 for n in numbers]),
        "f": some(3, [n / 4 for n in numbers]),
        "d": some(4, [specials.get(n, n / 3) for n in numbers]),
        "day": some(5, [dt.date(1970, 1, 1) + dt.timedelta(days=n * 100) for n in numbers]),
        "at": some(6, moments),
        "local": some(1, [moment.replace(tzinfo=None) for moment in moments]),
        "price": some(2, [Decimal(n * 12345) / 100 for n in numbers]),
        "huge": some(3, [Decimal(n * 10**20 + 1) / 10**10 for n in numbers]),
        "s": some(4, [("ü" * 40 + str(n)) if n % 5 == 0 else f"s{n}" for n in numbers]),
        "raw": some(5, [bytes([255]) * (n % 30) + bytes([n % 256]) for n in numbers]),
        "inner": some(6, [{"x": n, "y": f"y{n}"} for n in numbers]),
        "tags": some(1, [["a", None, str(n)][: abs(n) % 4] for n in numbers]),
    }
    inner = pa.struct([("x", pa.int64()), ("y", pa.string())])
    types = {
        **{name: arrow_type(type_) for name, type_ in _TYPES.items()},
        "inner": inner,
        "tags": pa.list_(pa.string()),
    }
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def some_rows(start: int, count: int = 4) -> pa.Table:
    """Rows of the table that most tests convert."""
    numbers = range(start, start + count)
    return pa.table({"id": pa.array(numbers, pa.int64()), "p": pa.array([f"p{start % 3}"] * count)})


def target_of(source: Source, **options: Any) -> IcebergTarget:
    """The target beside the source's files."""
    return IcebergTarget.open(ObjectStorage(), f"file://{source.directory}", IcebergTargetOptions(**options))


def files_under(source: Source) -> set[str]:
    """Names of the target's metadata files."""
    return {path.name for path in (source.directory / "metadata").iterdir()}


def edit_metadata(source: Source, change: Callable[[dict[str, Any]], None]) -> None:
    """Commit as somebody else would."""
    metadata = source.directory / "metadata"
    newest = max(metadata.glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
    number = int(newest.name[1:].split(".")[0])
    content = json.loads(newest.read_text())
    change(content)
    (metadata / f"v{number + 1}.metadata.json").write_text(json.dumps(content))


def live_entries(source: Source) -> list[dict[str, Any]]:
    """All entries of the current snapshot, deleted ones too."""
    table = static_table(source.directory)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return [
        {
            "status": int(entry.status),
            "snapshot": entry.snapshot_id,
            "sequence": entry.sequence_number,
            "name": entry.data_file.file_path.rpartition("/")[2],
        }
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    ]
