"""Hudi's Avro schemas: what each column is, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.errors import CorruptTable, LimitExceeded, TablecastError, UnsupportedTableFeature
from converters.hudi.schema.reader import parse_schema, read_schema, write_schema
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import read_timeline
from converters.hudi.timeline.commit_metadata import read_commit
from converters.model.schema import Schema
from converters.model.types import (
    PRIMITIVE_KINDS,
    DecimalType,
    FixedType,
    ListType,
    MapType,
    StructType,
    Type,
    type_name,
)
from converters.storage import ObjectStorage

CORPUS = Path("/corpus/hudi")


def _text(*fields: dict[str, Any], **attributes: Any) -> str:
    record = {"type": "record", "name": "t_record", "namespace": "hoodie.t", "fields": list(fields), **attributes}
    return json.dumps(record)


def _column(type_: Any) -> str:
    return _text({"name": "c", "type": type_})


def _read(text: str, *, keep_meta_columns: bool = False) -> Schema:
    return read_schema(text, keep_meta_columns=keep_meta_columns)


def _type(type_: Any) -> Type:
    return _read(_column(type_)).fields[0].type


def _refused(text: str, kind: type[TablecastError], *told: str) -> None:
    with pytest.raises(kind) as caught:
        read_schema(text, keep_meta_columns=False)
    assert type(caught.value) is kind
    for each in told:
        assert each in caught.value.message


def _decimal(**attributes: Any) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2, **attributes}


def _fixed(size: int, **attributes: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "f", "size": size, **attributes}


@pytest.mark.parametrize(
    "avro, expected",
    [
        ("boolean", "boolean"),
        ("int", "int"),
        ("long", "long"),
        ("float", "float"),
        ("double", "double"),
        ("string", "string"),
        ("bytes", "binary"),
        ({"type": "string", "avro.java.string": "String"}, "string"),
        ({"type": "int", "logicalType": "date"}, "date"),
        ({"type": "int", "logicalType": "time-millis"}, "time"),
        ({"type": "long", "logicalType": "time-micros"}, "time"),
        ({"type": "long", "logicalType": "timestamp-millis"}, "timestamptz"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "timestamptz"),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, "timestamp"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, "timestamp"),
        ({"type": "string", "logicalType": "uuid"}, "string"),
        (_fixed(16, logicalType="uuid"), "uuid"),
        (_fixed(16, xtableLogicalType="uuid"), "uuid"),
        (_fixed(16), "fixed[16]"),
        (_fixed(4, logicalType="uuid"), "fixed[4]"),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "string"),
        (_decimal(), "decimal(9,2)"),
        (_decimal(precision=38, scale=38), "decimal(38,38)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4}, "decimal(4,0)"),
        (_fixed(5, logicalType="decimal", precision=10, scale=3), "decimal(10,3)"),
        ({"type": "string", "logicalType": "something-else"}, "string"),
        ({"type": "int", "logicalType": "timestamp-micros"}, "int"),
        ({"type": {"type": "long", "logicalType": "timestamp-micros"}}, "timestamptz"),
        ({"type": "array", "items": ["null", "string"]}, "list<string>"),
        ({"type": "map", "values": "long"}, "map<string, long>"),
        ({"type": "record", "name": "r", "fields": [{"name": "x", "type": "int"}]}, "struct<x: int>"),
    ],
)
def test_what_each_avro_type_is(avro: Any, expected: str) -> None:
    assert type_name(_type(avro)) == expected
    for union in (["null", avro], [avro, "null"]):
        column = _read(_column(union)).fields[0]
        assert (type_name(column.type), column.required) == (expected, False)


def test_a_union_of_one_type_is_that_type() -> None:
    assert _read(_column(["long"])).fields[0].required
    assert type_name(_type(["long"])) == "long"


def test_columns_in_milliseconds_are_told() -> None:
    millis = {"type": "long", "logicalType": "timestamp-millis"}
    read = parse_schema(
        _text(
            {"name": "a", "type": millis},
            {"name": "b", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "s", "type": {"type": "record", "name": "s", "fields": [{"name": "c", "type": ["null", millis]}]}},
            {"name": "l", "type": {"type": "array", "items": {"type": "int", "logicalType": "time-millis"}}},
        ),
        keep_meta_columns=False,
    )
    assert {read.schema.by_id[id_].dotted for id_ in read.in_millis} == {"a", "s.c", "l.element"}


@pytest.mark.parametrize(
    "avro, told",
    [
        (["int", "string"], "union of int, string"),
        (["null", "int", "string"], "union of null, int, string"),
        (["null"], "union of null"),
        ([], "union of nothing"),
        ("null", "type null"),
        ({"type": "fixed", "name": "d", "size": 12, "logicalType": "duration"}, "'duration'"),
        ({"type": "bytes", "logicalType": "big-decimal"}, "'big-decimal'"),
        ({"type": "long", "logicalType": "timestamp-nanos"}, "'timestamp-nanos'"),
        ({"type": "long", "logicalType": "local-timestamp-nanos"}, "'local-timestamp-nanos'"),
        ({"type": "record", "name": "v", "logicalType": "variant", "fields": []}, "'variant'"),
        (_decimal(precision=39), "39 digits"),
    ],
)
def test_what_has_no_equal_is_refused_with_the_name_of_the_column(avro: Any, told: str) -> None:
    _refused(_column(avro), UnsupportedTableFeature, "'c'", told)


def test_recursion_is_refused() -> None:
    tree = {"type": "record", "name": "tree", "fields": [{"name": "next", "type": ["null", "tree"]}]}
    _refused(_column(tree), UnsupportedTableFeature, "'c.next'", "recursive", "'hoodie.t.tree'")
    _refused(_column(["null", "t_record"]), UnsupportedTableFeature, "'c'", "'hoodie.t.t_record'")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '"string"',
        '{"type": "array", "items": "int"}',
        '{"type": "record", "name": "t"}',
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "t", "fields": [1]}',
        '{"type": "record", "name": "t", "fields": [{"name": "c"}]}',
        '{"type": "record", "name": "t", "fields": [{"name": 1, "type": "int"}]}',
        "[" * 100_000,
        '{"type": "record", "name": "t", "fields": [{"name": "c", "type": ' + '{"type":' * 100_000,
        _column("nothing"),
        _column(7),
        _column({"type": 7}),
        _column({"type": "array"}),
        _column({"type": "map"}),
        _column({"type": "fixed", "name": "f"}),
        _column({"type": "fixed", "name": "f", "size": -1}),
        _column({"type": "fixed", "size": 3}),
        _column({"type": "enum", "symbols": []}),
        _column(_decimal(precision=None)),
        _column(_decimal(scale=10)),
        _column({"type": ["null", "int"]}),
        _text({"name": "c", "type": "int"}, {"name": "c", "type": "int"}),
        _text({"name": "c", "type": "int"}, hudi_id_tracking=7),
        _text({"name": "c", "type": "int"}, hudi_id_tracking={"idMappings": [{"name": "c", "id": 0}]}),
    ],
)
def test_what_is_no_schema_is_corrupt(text: str) -> None:
    _refused(text, CorruptTable, "The Hudi schema")


def test_a_schema_that_grows_beyond_all_bounds_is_refused() -> None:
    deep: Any = "int"
    for _ in range(70):
        deep = {"type": "array", "items": deep}
    _refused(_column(deep), LimitExceeded, "levels")
    fields: list[dict[str, Any]] = [{"name": "c", "type": {"type": "record", "name": "r0", "fields": []}}]
    for level in range(1, 12):
        members = [{"name": f"m{n}", "type": f"r{level - 1}"} for n in range(10)]
        fields.append({"name": f"c{level}", "type": {"type": "record", "name": f"r{level}", "fields": members}})
    _refused(_text(*fields), LimitExceeded, "more columns")


def test_a_type_is_used_again_by_its_name() -> None:
    inner = {
        "type": "record",
        "name": "point",
        "fields": [{"name": "x", "type": _fixed(4)}, {"name": "y", "type": "f"}],
    }
    schema = _read(
        _text(
            {"name": "a", "type": inner},
            {"name": "b", "type": ["null", "point"]},
            {"name": "c", "type": {"type": "array", "items": "hoodie.t.point"}},
            {"name": "d", "type": {"type": "record", "name": "other.point", "fields": [{"name": "z", "type": "int"}]}},
            {"name": "e", "type": "other.point"},
        )
    )
    assert [type_name(field.type) for field in schema.fields] == [
        "struct<x: fixed[4], y: fixed[4]>",
        "struct<x: fixed[4], y: fixed[4]>",
        "list<struct<x: fixed[4], y: fixed[4]>>",
        "struct<z: int>",
        "struct<z: int>",
    ]
    assert len(schema.by_id) == len(schema.nodes), "each use has ids of its own"


def test_names_are_found_in_the_namespace_around_them() -> None:
    first = {"type": "record", "name": "p", "namespace": "one", "fields": [{"name": "x", "type": _fixed(2)}]}
    second = {"type": "record", "name": "p", "namespace": "two", "fields": [{"name": "y", "type": _fixed(3)}]}
    user = {"type": "record", "name": "u", "namespace": "two", "fields": [{"name": "v", "type": "p"}]}
    schema = _read(_text({"name": "a", "type": first}, {"name": "b", "type": second}, {"name": "c", "type": user}))
    assert type_name(schema.fields[2].type) == "struct<v: struct<y: fixed[3]>>"


def test_hudis_own_columns_are_left_out_unless_they_are_wanted() -> None:
    meta = {"name": "_hoodie_commit_time", "type": ["null", "string"], "default": None}
    text = _text(meta, {"name": "id", "type": "int"}, {"name": "_hoodie_is_deleted", "type": "boolean"})
    assert [(field.id, field.name) for field in _read(text).fields] == [(1, "id"), (2, "_hoodie_is_deleted")]
    kept = _read(text, keep_meta_columns=True)
    assert [field.name for field in kept.fields] == ["_hoodie_commit_time", "id", "_hoodie_is_deleted"]


def test_ids_stay_when_a_column_is_appended() -> None:
    first = [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]
    before = _read(_text(*first))
    after = _read(_text(*first, {"name": "c", "type": {"type": "array", "items": "int"}}))
    assert after.fields[:2] == before.fields
    assert [(node.dotted, node.id) for node in after.nodes] == [("a", 1), ("b", 2), ("c", 3), ("c.element", 4)]


def test_ids_that_xtable_tracks_are_kept() -> None:
    tracking = {
        "idMappings": [
            {"name": "_hoodie_commit_time", "id": 1, "fields": []},
            {"name": "l", "id": 7, "fields": [{"name": "element", "id": 9, "fields": None}]},
            {"name": "m", "id": 8, "fields": [{"name": "key", "id": 10}, {"name": "value", "id": 12}]},
        ],
        "lastIdUsed": 20,
    }
    read = parse_schema(
        _text(
            {"name": "l", "type": {"type": "array", "items": "int"}},
            {"name": "m", "type": {"type": "map", "values": "int"}},
            {"name": "new", "type": "int"},
            hudi_id_tracking=tracking,
        ),
        keep_meta_columns=False,
    )
    assert read.has_own_ids
    assert read.schema.fields[0].type == ListType(9, PRIMITIVE_KINDS["int"], element_required=True)
    assert read.schema.fields[1].type == MapType(
        10, PRIMITIVE_KINDS["string"], 12, PRIMITIVE_KINDS["int"], value_required=True
    )
    assert [field.id for field in read.schema.fields] == [7, 8, 21]


def test_a_column_with_a_default_may_be_missing_in_files_so_it_may_be_null() -> None:
    schema = _read(_text({"name": "a", "type": "int", "default": 5}, {"name": "b", "type": "int"}))
    assert [field.required for field in schema.fields] == [False, True]


def test_comments_are_kept() -> None:
    schema = _read(_text({"name": "a", "type": "int", "doc": "one\n“two”"}, {"name": "b", "type": "int", "doc": ""}))
    assert [field.doc for field in schema.fields] == ["one\n“two”", None]


def _schemas_of(case: Path) -> list[str]:
    location = f"file://{case}"
    config = read_table_config(ObjectStorage(), location)
    assert config is not None
    timeline = read_timeline(ObjectStorage(), location, config)
    return [schema for each in timeline.writes() if (schema := read_commit(ObjectStorage(), each).schema)]


@pytest.mark.parametrize("case", sorted(path.name for path in CORPUS.iterdir() if path.name != "schema_on_read"))
def test_a_schema_that_hudi_on_spark_wrote_is_written_again_to_the_letter(case: str) -> None:
    for text in _schemas_of(CORPUS / case):
        name = json.loads(text)["name"].removesuffix("_record")
        schema = _read(text)
        assert json.loads(write_schema(schema, name)) == json.loads(text)


def test_the_types_of_a_real_table() -> None:
    schema = _read(_schemas_of(CORPUS / "types_all")[-1])
    types = {field.name: field.type for field in schema.fields}
    assert types["d38"] == DecimalType(38, 10)
    assert types["ts"] == PRIMITIVE_KINDS["timestamptz"]
    assert types["ntz"] == PRIMITIVE_KINDS["timestamp"]
    assert not any(isinstance(type_, FixedType | StructType) for type_ in types.values())
