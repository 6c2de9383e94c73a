"""Manifests say what the batches say, whatever is missing; fastavro and pyiceberg decode them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any, cast

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyiceberg import conversions
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile

from converters.iceberg.manifests.entry_layout import (
    ADDED,
    DELETED,
    EXISTING,
    EntryLayout,
    LeafLayout,
    Origins,
    PartitionMember,
    Status,
)
from converters.iceberg.manifests.listed import ListedManifest
from converters.iceberg.manifests.spool import ManifestSpool
from converters.iceberg.manifests.writer import MANIFEST_BYTES, ManifestWriter
from converters.iceberg.partitions.json_form import spec_to_json
from converters.iceberg.schema.json_form import schema_text, schema_to_json
from converters.iceberg.statistics.bounds_encoding import cut
from converters.model import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    PartitionField,
    PartitionSpec,
    Schema,
    Transform,
    Type,
    data_file_batch,
    data_file_schema,
    stat,
)
from tests.iceberg_target.test_encoding import _CASES, TEXT, _column

COUNTS = st.integers(0, 2**40)


def _plain(schema: Any) -> Any:
    """The schema without logical types, so that values come as they are written."""
    if isinstance(schema, dict):
        return {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
    return [_plain(each) for each in schema] if isinstance(schema, list) else schema


def decoded(data: bytes) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Decode as a strict reader does: every block must be used up by its records."""
    found: list[dict[str, Any]] = []
    reader: Any = fastavro.block_reader(io.BytesIO(data))
    schema = fastavro.parse_schema(_plain(json.loads(reader.metadata["avro.schema"])))
    for block in reader:
        stream = io.BytesIO(block.bytes_.getvalue())
        found += [cast("Any", fastavro.schemaless_reader(stream, schema, None)) for _ in range(block.num_records)]
        assert stream.read() == b"", "bytes are left over"
    return reader.metadata, found


def written(
    schema: Schema, spec: PartitionSpec, *added: tuple[pa.RecordBatch, EntryLayout, Status, Origins | None]
) -> tuple[ManifestWriter, list[ListedManifest], list[bytes]]:
    """Write manifests; the finished writer, how they are listed, and what is in each."""
    with ManifestSpool(4242, 7) as spool:
        writer = ManifestWriter(spool, schema_to_json(schema), {spec.spec_id: spec_to_json(spec)})
        for each in added:
            writer.add(*each)
        writer.finish()
        return writer, spool.manifests, [data() for _, data in spool.name("m")]


_PLACES = {ADDED: 0, EXISTING: 1, DELETED: 2}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, PartitionSpec, pa.RecordBatch, EntryLayout]:
    """A batch of files with random columns, partitions and statistics, and the layout that it is written in."""
    names = draw(st.lists(st.sampled_from(sorted(_CASES)), min_size=0, max_size=6))
    types = [_CASES[name][0] for name in names]
    ids = draw(st.lists(st.integers(1, 2**31 - 300), min_size=len(names), max_size=len(names), unique=True))
    schema = Schema(
        tuple(Field(id=id_, name=f"c{n}", type=type_) for n, (id_, type_) in enumerate(zip(ids, types, strict=True)))
    )
    by = draw(st.lists(st.integers(0, len(names) - 1), max_size=3, unique=True)) if names else []
    spec = PartitionSpec(
        3,
        tuple(
            PartitionField(id=1000 + n, source_id=ids[place], name=draw(TEXT), transform=Transform("identity"))
            for n, place in enumerate(by)
        ),
    )
    rows = draw(st.integers(1, 12))

    def column(values: st.SearchStrategy[Any], type_: Type | None = None) -> pa.Array:
        mode = draw(st.sampled_from(["all", "some", "none"]))
        each = {"all": values, "some": st.none() | values, "none": st.none()}[mode]
        found = draw(st.lists(each, min_size=rows, max_size=rows))
        return _column(type_, found) if type_ else pa.array(found, pa.int64())

    stats = {
        id_: {
            "null_count": column(COUNTS),
            "nan_count": column(COUNTS) if name in {"float", "double"} else pa.nulls(rows, pa.int64()),
            "lower": column(_CASES[name][1], type_),
            "upper": column(_CASES[name][1], type_),
        }
        for id_, name, type_ in zip(ids, names, types, strict=True)
    }
    batch = data_file_batch(
        data_file_schema(schema, [spec]),
        {
            "path": pa.array([f"file:///{row}/{draw(TEXT)}" for row in range(rows)]),
            "size": pa.array(draw(st.lists(COUNTS, min_size=rows, max_size=rows)), pa.int64()),
            "row_count": pa.array(draw(st.lists(COUNTS, min_size=rows, max_size=rows)), pa.int64()),
            "file_format": pa.array(draw(st.lists(st.sampled_from(["PARQUET", "ORC"]), min_size=rows, max_size=rows))),
            "spec_id": pa.repeat(pa.scalar(3, pa.int32()), rows),
        },
        {1000 + n: column(_CASES[names[place]][1], types[place]) for n, place in enumerate(by)},
        stats,
    )
    members = tuple(
        PartitionMember(str(1000 + n), field, types[place])
        for n, (place, field) in enumerate(zip(by, spec.fields, strict=True))
    )
    leaves = tuple(LeafLayout(str(id_), id_, type_) for id_, type_ in zip(ids, types, strict=True))
    return schema, spec, batch, EntryLayout(draw(st.sampled_from([2, 3])), 3, members, leaves)


def _known(values: pa.Array) -> list[Any]:
    if pa.types.is_temporal(values.type):
        values = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())
    found: list[Any] = values.to_pylist()
    return found


def _expected_map(batch: pa.RecordBatch, layout: EntryLayout, name: str, row: int) -> dict[int, Any]:
    found: dict[int, Any] = {}
    stats = batch.column("stats")
    for leaf, case in zip(layout.leaves, _cases_of(layout), strict=True):
        struct = stats.field(stats.type.get_field_index(leaf.member))
        values = struct.field(struct.type.get_field_index(name))
        if name in {"lower", "upper"}:
            nans = _known(struct.field(1))[row]
            if name == "upper" and nans:
                continue
            value = _known(cut(values, leaf.type, "lower" if name == "lower" else "upper")[0])[row]
            if value is not None:
                found[leaf.field_id] = conversions.to_bytes(_CASES[case][2], value)
        elif (value := _known(values)[row]) is not None:
            found[leaf.field_id] = value
    return found


def _has_upper(batch: pa.RecordBatch, leaf: LeafLayout, row: int) -> bool:
    return bool(stat(batch, int(leaf.member), "upper")[row].is_valid)


def _cases_of(layout: EntryLayout) -> Iterator[str]:
    for leaf in layout.leaves:
        yield next(name for name, case in _CASES.items() if case[0] == leaf.type)


def _as_map(pairs: list[dict[str, Any]]) -> dict[int, Any]:
    assert len({pair["key"] for pair in pairs}) == len(pairs)
    return {pair["key"]: pair["value"] for pair in pairs}


@settings(max_examples=100, deadline=None)
@given(tables(), st.data())
def test_entries_are_what_the_batch_says(
    table: tuple[Schema, PartitionSpec, pa.RecordBatch, EntryLayout], data: st.DataObject
) -> None:
    schema, spec, batch, layout = table
    status = data.draw(st.sampled_from([ADDED, EXISTING, DELETED]))
    origins = None if status == ADDED else _origins(len(batch), data)
    _, (manifest,), (data_of,) = written(schema, spec, (batch, layout, status, origins))
    metadata, entries = decoded(data_of)
    assert metadata["schema"] == schema_text(schema_to_json(schema))
    assert metadata["partition-spec-id"] == "3"
    assert metadata["format-version"] == str(layout.format_version)
    assert manifest.files[_PLACES[status]] == len(entries) == len(batch)
    assert manifest.rows[_PLACES[status]] == sum(batch.column("row_count").to_pylist())
    paths = batch.column("path").to_pylist()
    places = [paths.index(entry["data_file"]["file_path"]) for entry in entries]
    assert sorted(places) == list(range(len(batch)))
    for entry, row in zip(entries, places, strict=True):
        _check_entry(entry, batch, layout, row, status, origins)
    assert [summary.contains_null for summary in manifest.partitions or ()] == [
        batch.column("partition").field(n).null_count > 0 for n in range(len(layout.partition))
    ]


def _origins(rows: int, data: st.DataObject) -> Origins:
    def column(values: st.SearchStrategy[Any]) -> pa.Array:
        return pa.array(data.draw(st.lists(values, min_size=rows, max_size=rows)), pa.int64())

    longs = st.integers(0, 2**63 - 1)
    return Origins(column(longs), column(longs), column(longs), column(st.none() | longs))


def _check_entry(
    entry: dict[str, Any],
    batch: pa.RecordBatch,
    layout: EntryLayout,
    row: int,
    status: Status,
    origins: Origins | None,
) -> None:
    file = entry["data_file"]
    assert entry["status"] == status
    if origins is None:
        assert (entry["snapshot_id"], entry["sequence_number"], entry["file_sequence_number"]) == (4242, None, None)
    else:
        snapshot_id = 4242 if status == DELETED else origins.snapshot_id[row].as_py()
        assert entry["snapshot_id"] == snapshot_id
        assert entry["sequence_number"] == origins.sequence_number[row].as_py()
        assert entry["file_sequence_number"] == origins.file_sequence_number[row].as_py()
    if layout.format_version == 3:
        assert file["first_row_id"] == (None if origins is None else origins.first_row_id[row].as_py())
    assert file["content"] == 0
    assert file["file_format"] == batch.column("file_format")[row].as_py()
    assert file["column_sizes"] == []
    rows = batch.column("row_count")[row].as_py()
    assert _as_map(file["value_counts"]) == {leaf.field_id: rows for leaf in layout.leaves}
    nulls, bounded = (_expected_map(batch, layout, name, row) for name in ("null_count", "lower"))
    bounded |= {leaf.field_id: 0 for leaf in layout.leaves if _has_upper(batch, leaf, row)}
    if bounded.keys() <= nulls.keys():
        assert _as_map(file["null_value_counts"]) == nulls
    else:
        assert file["null_value_counts"] is None
    assert _as_map(file["nan_value_counts"]) == _expected_map(batch, layout, "nan_count", row)
    assert _as_map(file["lower_bounds"]) == _expected_map(batch, layout, "lower", row)
    assert _as_map(file["upper_bounds"]) == _expected_map(batch, layout, "upper", row)
    for n, (member, value) in enumerate(zip(layout.partition, file["partition"].values(), strict=True)):
        want = _known(batch.column("partition").field(n))[row]
        if isinstance(want, Decimal):
            assert isinstance(member.type, DecimalType)
            want = int(want.scaleb(member.type.scale, Context(prec=80))).to_bytes(len(value), "big", signed=True)
        assert value == want


@settings(max_examples=40, deadline=None)
@given(tables())
def test_pyiceberg_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[Schema, PartitionSpec, pa.RecordBatch, EntryLayout]
) -> None:
    schema, spec, batch, layout = table
    # pyiceberg 0.12 does not know nanoseconds in partitions.
    assume(all(member.type != PRIMITIVE_KINDS["timestamp_ns"] for member in layout.partition))
    _, _, (data,) = written(schema, spec, (batch, layout, ADDED, None))
    path = tmp_path_factory.mktemp("m") / "m.avro"
    path.write_bytes(data)
    listed = ManifestFile.from_args(
        manifest_path=f"file://{path}",
        manifest_length=len(data),
        partition_spec_id=3,
        content=ManifestContent.DATA,
        sequence_number=7,
        min_sequence_number=7,
        added_snapshot_id=4242,
    )
    found = listed.fetch_manifest_entry(PyArrowFileIO())
    _, entries = decoded(data)
    for mine, theirs in zip(entries, found, strict=True):
        file: DataFile = theirs.data_file
        assert theirs.sequence_number == 7
        assert file.file_path == mine["data_file"]["file_path"]
        assert file.record_count == mine["data_file"]["record_count"]
        for name in ("value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds"):
            pairs = mine["data_file"][name]
            assert getattr(file, name) == (None if pairs is None else _as_map(pairs))


def _numbered(rows: int, partitions: int) -> tuple[Schema, PartitionSpec, pa.RecordBatch, EntryLayout]:
    """Many files of one column, in random order of their partitions."""
    long = _CASES["long"][0]
    schema = Schema((Field(id=1, name="n", type=long), Field(id=2, name="p", type=long)))
    spec = PartitionSpec(0, (PartitionField(id=1000, source_id=2, name="p"),))
    values = np.random.default_rng(0).permutation(rows) % partitions
    batch = data_file_batch(
        data_file_schema(schema, [spec]),
        {
            "path": pa.array([f"file:///data/p={value}/{'x' * 300}-{n}.parquet" for n, value in enumerate(values)]),
            "size": pa.array(np.arange(rows)),
            "row_count": pa.array(np.arange(rows)),
            "spec_id": pa.repeat(pa.scalar(0, pa.int32()), rows),
        },
        {1000: pa.array(values)},
        {1: {"lower": pa.array(np.arange(rows)), "upper": pa.array(np.arange(rows))}},
    )
    layout = EntryLayout(2, 0, (PartitionMember("1000", spec.fields[0], long),), (LeafLayout("1", 1, long),))
    return schema, spec, batch, layout


def test_manifests_are_cut_by_partition() -> None:
    schema, spec, batch, layout = _numbered(60_000, 50)
    parts = ((batch.slice(start, 7000), layout, ADDED, None) for start in range(0, len(batch), 7000))
    writer, manifests, contents = written(schema, spec, *parts)
    assert writer.changed_partitions() == 50
    assert len(manifests) >= 3
    seen: list[str] = []
    overlaps = 0
    before: int | None = None
    for manifest, content in zip(manifests, contents, strict=True):
        _, entries = decoded(content)
        values = [entry["data_file"]["partition"]["p"] for entry in entries]
        assert manifest.partitions is not None
        (summary,) = manifest.partitions
        assert summary.lower == min(values).to_bytes(8, "little")
        assert summary.upper == max(values).to_bytes(8, "little")
        assert max(values) - min(values) <= 50 // len(manifests) + 2
        overlaps += before is not None and min(values) < before
        before = max(values)
        seen += [entry["data_file"]["file_path"] for entry in entries]
        assert len(entries) * 300 < 1.5 * MANIFEST_BYTES
    assert overlaps == 0
    assert sorted(seen) == sorted(batch.column("path").to_pylist())


def test_no_files_make_no_manifests() -> None:
    schema, spec, batch, layout = _numbered(10, 2)
    writer, _, contents = written(schema, spec, (batch.slice(0, 0), layout, ADDED, None))
    assert contents == []
    assert writer.changed_partitions() == 0
