"""Which state of a table is read, and what is said about its columns' names, ids and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import CorruptTable, InvalidOption, LimitExceeded, PathNotAllowed, UnsupportedTableFeature
from converters.iceberg.metadata.file import decode_json
from converters.iceberg.metadata.structs import SchemaJson
from converters.iceberg.partitions.json_form import parse_transform
from converters.iceberg.schema.json_form import NARROW_TYPES_KEY, schema_from_json, schema_text, schema_to_json
from converters.iceberg.schema.name_mapping import mapped_names, name_mapping_text, parse_name_mapping
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model.partition import PartitionSpec
from converters.registry import parse_options
from converters.storage.object_store import ObjectStorage
from converters.storage.roots import Roots
from tests.iceberg_source.made import COLUMNS, SNAPSHOT_ID, Table, avro, entry, entry_schema, list_schema
from tests.s3 import S3Server

MAPPING = "schema.name-mapping.default"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def _schema(schema_id: int, *columns: dict[str, Any]) -> dict[str, Any]:
    return {"type": "struct", "schema-id": schema_id, "fields": list(columns)}


def _column(id_: int, name: str, type_: Any = "int", **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "required": False, "type": type_, **more}


def _evolved(table: Table, *schemas: dict[str, Any], **members: Any) -> Any:
    table.finish(
        **{
            "schemas": list(schemas),
            "current_schema_id": schemas[-1]["schema-id"],
            "last_column_id": 5,
            "current_snapshot_id": -1,
            "snapshots": [],
            **members,
        }
    )
    snapshot, rows = table.read()
    assert rows == []
    assert (snapshot.version, snapshot.committed_at, snapshot.file_count) == ("0", 2000, 0)
    return snapshot.table


STRUCT = {"type": "struct", "fields": [_column(4, "a"), _column(5, "b")]}
OTHER = {"type": "struct", "fields": [_column(4, "a"), _column(5, "c")]}


@pytest.mark.parametrize(
    "schemas, stable",
    [
        ([_schema(0, _column(5, "a"))], True),
        ([_schema(0, _column(1, "a")), _schema(1, _column(1, "a"), _column(5, "b"))], True),
        ([_schema(0, _column(1, "a"), _column(5, "b")), _schema(1, _column(1, "a"))], True),
        ([_schema(0, _column(5, "a")), _schema(1, _column(5, "b"))], False),
        ([_schema(0, _column(1, "a")), _schema(1), _schema(2, _column(5, "a"))], False),
        ([_schema(0, _column(1, "A")), _schema(1), _schema(2, _column(5, "a"))], False),
        ([_schema(0, _column(5, "a")), _schema(1, _column(5, "A"))], False),
        ([_schema(0, _column(4, "a"), _column(5, "A"))], False),
        ([_schema(0, _column(1, "s", STRUCT))], True),
        ([_schema(0, _column(1, "s", STRUCT)), _schema(1, _column(1, "s", OTHER))], False),
        ([_schema(0, _column(1, "s", STRUCT)), _schema(1, _column(1, "t", STRUCT))], False),
        ([_schema(1, _column(5, "a"))], False),
        ([_schema(0), _schema(2, _column(5, "a"))], False),
        ([_schema(0, _column(4, "a"))], False),
        ([_schema(0, _column(5, "v", "variant")), _schema(1, _column(4, "a"))], True),
    ],
)
def test_names_are_stable(table: Table, schemas: list[dict[str, Any]], stable: bool) -> None:
    found = _evolved(table, *schemas)
    assert (found.names_are_stable, found.field_ids) == (stable, "all")


@pytest.mark.parametrize(
    "mapping, stable",
    [
        ('[{"field-id":5,"names":["a"]}]', True),
        ('[{"field-id":5,"names":["a","old"]}]', False),
        ('[{"field-id":5,"names":["old"]}]', False),
        ('[{"field-id":4,"names":["a"]}]', False),
        ('[{"names":["ignored"]}]', True),
        ("[]", True),
    ],
)
def test_a_name_mapping_is_history_too(table: Table, mapping: str, stable: bool) -> None:
    found = _evolved(table, _schema(0, _column(5, "a")), properties={MAPPING: mapping})
    assert (found.names_are_stable, found.field_ids) == (stable, "unknown")


@pytest.mark.parametrize("mapping", ["", "{", "[1]", '[{"field-id":"x","names":["a"]}]', "[" * 10_000])
def test_a_broken_name_mapping_is_named(table: Table, mapping: str) -> None:
    with pytest.raises(CorruptTable, match=r"schema\.name-mapping\.default"):
        _evolved(table, _schema(0, _column(5, "a")), properties={MAPPING: mapping})


def test_promotions(table: Table) -> None:
    found = _evolved(
        table,
        _schema(0, _column(1, "i"), _column(2, "f", "float"), _column(3, "d", "decimal(4,1)"), _column(4, "t", "date")),
        _schema(
            1, _column(1, "i", "long"), _column(2, "f", "float"), _column(3, "d", "decimal(9, 1)"), _column(4, "t")
        ),
        _schema(
            2,
            _column(1, "i", "long"),
            _column(2, "f", "double"),
            _column(3, "d", "decimal(18, 1)"),
            _column(4, "t", "timestamp"),
            _column(5, "u", "string"),
        ),
    )
    assert found.promotions == {1: "int", 2: "float", 3: "decimal(4,1)", 4: "date"}


def _written(folder: Path, name: str, *, with_ids: bool) -> str:
    metadata = {b"PARQUET:field_id": b"1"} if with_ids else None
    schema = pa.schema([pa.field("a", pa.int64(), metadata=metadata)])
    pq.write_table(pa.table({"a": [1]}, schema), folder / name)
    return str(folder / name)


@pytest.mark.parametrize(
    "with_ids, expected", [([True, True], "all"), ([False, False], "none"), ([True, False], "unknown"), ([], "unknown")]
)
def test_files_are_asked_for_their_field_ids(table: Table, with_ids: list[bool], expected: str) -> None:
    files = [_written(table.folder, f"{place}.parquet", with_ids=ids) for place, ids in enumerate(with_ids)]
    table.manifest(avro(entry_schema(), [entry(path, size=Path(path).stat().st_size) for path in files]))
    table.manifest(avro(entry_schema(), [entry("/not/there.orc", file_format="orc")]))
    columns = [_schema(0, _column(1, "a", "long")), _schema(1, _column(1, "b", "long"))]
    table.finish(schemas=columns, current_schema_id=1, last_column_id=1, properties={MAPPING: "[]"})
    snapshot, _ = table.read()
    assert (snapshot.table.names_are_stable, snapshot.table.field_ids) == (False, expected)


def test_files_outside_the_roots_are_not_asked(table: Table, tmp_path: Path) -> None:
    table.manifest(avro(entry_schema(), [entry(_written(tmp_path, "x.parquet", with_ids=True))]))
    columns = [_schema(0, _column(1, "a", "long")), _schema(1, _column(1, "b", "long"))]
    table.finish(schemas=columns, current_schema_id=1, last_column_id=1, properties={MAPPING: "[]"})
    storage = ObjectStorage(roots=Roots([str(table.folder)]))
    with pytest.raises(PathNotAllowed):
        IcebergSource.open(storage, table.location, IcebergSourceOptions()).snapshot()


def _with_refs(table: Table) -> None:
    old = table.manifest(avro(entry_schema(), [entry("/old")]))
    listed = avro(list_schema(), table.listed)
    (table.folder / "metadata/old.avro").write_bytes(listed)
    table.manifest(avro(entry_schema(), [entry("/new")]))
    assert old.exists()
    table.finish(
        schemas=[_schema(0, *COLUMNS), _schema(1, *COLUMNS, _column(4, "later"))],
        current_schema_id=1,
        last_column_id=4,
        refs={
            "main": {"snapshot-id": SNAPSHOT_ID, "type": "branch"},
            "a tag": {"snapshot-id": 5, "type": "tag"},
            "dev": {"snapshot-id": 5, "type": "branch"},
            "lost": {"snapshot-id": 6, "type": "branch"},
        },
        snapshots=[
            {
                "snapshot-id": 5,
                "timestamp-ms": 500,
                "sequence-number": 1,
                "schema-id": 0,
                "manifest-list": f"{table.folder}/metadata/old.avro",
            },
            {
                "snapshot-id": SNAPSHOT_ID,
                "timestamp-ms": 1000,
                "sequence-number": 2,
                "schema-id": 0,
                "manifest-list": f"{table.folder}/metadata/snap.avro",
            },
        ],
    )


@pytest.mark.parametrize(
    "options, version, columns, files",
    [
        ({}, SNAPSHOT_ID, 4, 2),
        ({"ref": "main"}, SNAPSHOT_ID, 4, 2),
        ({"ref": "dev"}, 5, 4, 1),
        ({"ref": "a tag"}, 5, 3, 1),
        ({"snapshot-id": "5"}, 5, 3, 1),
        ({"snapshot-id": str(SNAPSHOT_ID)}, SNAPSHOT_ID, 3, 2),
    ],
)
def test_branches_tags_and_snapshots(
    table: Table, options: dict[str, str], version: int, columns: int, files: int
) -> None:
    _with_refs(table)
    parsed = parse_options(IcebergSourceOptions, {f"x.{key}": value for key, value in options.items()}, "x.")
    source = IcebergSource.open(ObjectStorage(), table.location, parsed)
    snapshot = source.snapshot()
    assert snapshot.version == str(version)
    assert snapshot.committed_at == (500 if version == 5 else 1000)
    assert len(snapshot.table.schema.fields) == columns
    assert schema_text(schema_to_json(snapshot.table.schema)) == snapshot.table.schema_text
    assert sum(map(len, source.data_files(snapshot))) == files
    # Another source, as after a restart, reads the same files of it.
    other = IcebergSource.open(ObjectStorage(), table.location, IcebergSourceOptions())
    assert sum(map(len, other.data_files(snapshot))) == files


@pytest.mark.parametrize("options", [{"ref": "none"}, {"snapshot-id": "9"}, {"ref": "dev", "snapshot-id": "5"}])
def test_what_the_table_does_not_have_cannot_be_asked_for(table: Table, options: dict[str, str]) -> None:
    _with_refs(table)
    given = {f"x.{key}": value for key, value in options.items()}

    def read() -> None:
        parsed = parse_options(IcebergSourceOptions, given, "x.")
        IcebergSource.open(ObjectStorage(), table.location, parsed).snapshot()

    with pytest.raises(InvalidOption, match=r"none|9|both"):
        read()


def test_a_branch_without_its_snapshot_is_corrupt(table: Table) -> None:
    _with_refs(table)
    with pytest.raises(CorruptTable, match="snapshot 6"):
        table.read(ref="lost")


def test_a_missing_manifest_list_is_named(table: Table) -> None:
    table.finish()
    (table.folder / "metadata/snap.avro").unlink()
    with pytest.raises(CorruptTable, match=r"snap\.avro' of snapshot 77 does not exist"):
        table.read()
    table.finish(snapshot={})
    with pytest.raises(CorruptTable, match="77 names no manifest list"):
        table.read()


@pytest.mark.parametrize("type_", ["unknown", "variant", "geometry(srid:4326)", "geography", "frobnicate"])
def test_types_without_an_equal_are_refused_by_column(table: Table, type_: str) -> None:
    nested = {"type": "list", "element-id": 5, "element-required": False, "element": type_}
    with pytest.raises(UnsupportedTableFeature, match=r"'l\.element'.*" + type_.split("(", maxsplit=1)[0]):
        _evolved(table, _schema(0, _column(1, "l", nested)))


@pytest.mark.parametrize(
    "columns",
    [
        [_column(5, "a"), _column(5, "b")],
        [_column(4, "a"), _column(5, "a")],
        [_column(5, "a", "decimal(39,0)")],
        [_column(5, "a", "decimal(5,6)")],
        [_column(5, "a", "decimal(0,0)")],
        [_column(-5, "a")],
        [_column(5, "a", {"type": "set"})],
        [_column(5, "a", 7)],
    ],
)
def test_impossible_schemas(table: Table, columns: list[dict[str, Any]]) -> None:
    with pytest.raises(CorruptTable):
        _evolved(table, _schema(0, *columns))


def test_a_schema_may_not_be_too_deep(table: Table) -> None:
    type_: Any = "int"
    for id_ in range(100, 300):
        type_ = {"type": "list", "element-id": id_, "element-required": False, "element": type_}
    with pytest.raises(LimitExceeded, match="levels"):
        _evolved(table, _schema(0, _column(5, "deep", type_)))


def test_narrow_types_are_remembered(table: Table) -> None:
    columns = [_column(1, "b"), _column(2, "s"), _column(3, "l", "long"), _column(4, "i"), _column(5, "x")]
    remembered = '{"1":"byte","2":"short","3":"byte","4":"double"}'
    found = _evolved(table, _schema(0, *columns), properties={NARROW_TYPES_KEY: remembered})
    assert [str(getattr(field.type, "kind", "")) for field in found.schema.fields] == [
        "byte",
        "short",
        "long",
        "int",
        "int",
    ]


def test_what_a_schema_says_is_kept(table: Table) -> None:
    column = _column(5, "a", doc="Why", **{"initial-default": 3, "write-default": 4})
    schema = {**_schema(0, {**column, "required": True}), "identifier-field-ids": [5]}
    found = _evolved(table, schema, format_version=3, properties={"comment": "About it", "x": "y"}, next_row_id=0)
    field = found.schema.fields[0]
    assert (field.required, field.doc, field.initial_default, field.write_default) == (True, "Why", 3, 4)
    assert found.schema.identifier_field_ids == (5,)
    assert (found.description, found.properties["x"], found.feature_names) == ("About it", "y", ("v3", "rowLineage"))


def test_schema_text_is_what_javas_library_writes() -> None:
    text = (
        '{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"m","required":true,"type":{"type":"map","key-id":2,'
        '"key":"string","value-id":3,"value":{"type":"list","element-id":4,"element":{"type":"struct","fields":[{"id":5,'
        '"name":"d","required":false,"type":"decimal(9, 2)","doc":"é"}]},"element-required":false},'
        '"value-required":true}},{"id":6,"name":"f","required":false,"type":"fixed[16]"}]}'
    )
    json = decode_json(text, SchemaJson, "it")
    assert schema_text(json) == text
    schema = schema_from_json(json)
    assert schema_text(schema_to_json(schema)) == text
    names = dict(mapped_names(parse_name_mapping(name_mapping_text(schema))))
    assert names == {node.path: node.id for node in schema.nodes}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("identity", "identity"),
        ("Years", "year"),
        ("hour", "hour"),
        ("bucket[16]", "bucket[16]"),
        ("TRUNCATE[4]", "truncate[4]"),
        ("void", "void"),
        ("bucket", None),
        ("bucket[0]", None),
        ("truncate[-1]", None),
        ("zorder(a)", None),
    ],
)
def test_transforms(text: str, expected: str | None) -> None:
    found = parse_transform(text)
    assert (None if found is None else str(found)) == expected


def _spec(spec_id: int, **field: Any) -> dict[str, Any]:
    return {"spec-id": spec_id, "fields": [{"name": "p", "transform": "identity", "field-id": 1000, **field}]}


@pytest.mark.parametrize(
    "field, message",
    [
        ({"source-id": 1, "transform": "zorder"}, "'p' of spec 0.*zorder"),
        ({"source-ids": [1, 2]}, "several columns"),
        ({}, "does not say"),
    ],
)
def test_specs_that_are_not_understood_are_named(table: Table, field: dict[str, Any], message: str) -> None:
    table.finish(partition_specs=[_spec(0, **field)])
    with pytest.raises((UnsupportedTableFeature, CorruptTable), match=message):
        table.read()


def test_specs_that_no_live_file_is_under_are_left_out(table: Table) -> None:
    schema = entry_schema([{"name": "p", "type": ["null", "long"], "field-id": 1000}])
    table.manifest(avro(schema, [entry("/a", partition={"p": 5})]), partition_spec_id=2)
    specs = [
        _spec(1, **{"source-id": 3, "transform": "zorder"}),
        _spec(2, **{"source-ids": [1]}),
        _spec(0) | {"fields": []},
    ]
    table.finish(partition_specs=specs)
    snapshot, rows = table.read()
    assert [spec.spec_id for spec in snapshot.table.specs] == [0, 2]
    assert snapshot.table.default_spec == PartitionSpec(0)
    assert (rows[0]["spec_id"], rows[0]["partition"]) == (2, {"1000": 5})


def test_a_partition_field_of_a_dropped_column_is_left_out(table: Table) -> None:
    schema = entry_schema([{"name": "p", "type": ["null", "string"], "field-id": 1000}])
    table.manifest(avro(schema, [entry("/a", partition={"p": "x"})]), partition_spec_id=1)
    table.finish(partition_specs=[_spec(1, **{"source-id": 99}), _spec(0) | {"fields": []}])
    assert table.read()[1][0]["partition"] == {}


def test_encrypted_tables_are_refused(table: Table) -> None:
    table.finish(format_version=3, encryption_keys=[{"key-id": "k", "encrypted-key-metadata": "AA=="}])
    with pytest.raises(UnsupportedTableFeature, match="encrypted"):
        table.read()


def test_a_table_on_s3(table: Table, s3: S3Server, s3_folder: str) -> None:
    location = f"{s3_folder}/t"
    for place in range(20):
        data = avro(entry_schema(), [entry(f"s3a://{location[5:]}/{place}.parquet")])
        table.manifest(data, manifest_path=f"{location}/metadata/m{place}.avro")
    table.finish(snapshot={"manifest-list": f"{location}/metadata/snap.avro"}, location=location)
    storage = ObjectStorage(s3_options=s3.storage_options)
    for path in (table.folder / "metadata").iterdir():
        storage.put(f"{location}/metadata/{path.name}", path.read_bytes())
    assert IcebergSource.is_table(storage, location)
    source = IcebergSource.open(storage, location, IcebergSourceOptions())
    snapshot = source.snapshot()
    paths = [path for batch in source.data_files(snapshot) for path in batch.column("path").to_pylist()]
    assert snapshot.table.location == location
    assert paths == [f"{location}/{place}.parquet" for place in range(20)]
    storage.delete(f"{location}/metadata/m7.avro")
    with pytest.raises(CorruptTable, match=r"m7\.avro' does not exist"):
        list(source.data_files(snapshot))
