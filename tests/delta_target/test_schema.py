"""Delta's schema JSON, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.delta.schema.reader import read_schema, write_schema
from converters.errors import CorruptTable, LimitExceeded, UnsupportedTableFeature
from converters.model import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    ListType,
    MapType,
    PrimitiveType,
    Schema,
    StructType,
    Type,
)

KINDS: list[Any] = [kind for kind in PRIMITIVE_KINDS if kind not in {"time", "timestamp_ns", "timestamptz_ns"}]
names = st.text(min_size=1, max_size=6)


def _leaf() -> st.SearchStrategy[Type]:
    decimals = st.integers(1, 38).flatmap(lambda p: st.builds(DecimalType, st.just(p), st.integers(0, p)))
    return st.one_of(st.sampled_from(KINDS[:-2] + KINDS[-1:]).map(PrimitiveType), decimals)


def _fields(types: st.SearchStrategy[Type]) -> st.SearchStrategy[tuple[Field, ...]]:
    field = st.builds(
        Field,
        id=st.just(0),
        name=names,
        type=types,
        required=st.booleans(),
        doc=st.one_of(st.none(), st.text(max_size=4)),
        physical_name=st.one_of(st.none(), names),
        default_sql=st.one_of(st.none(), st.text(max_size=4)),
        generation_sql=st.one_of(st.none(), st.text(max_size=4)),
    )
    return st.lists(field, min_size=1, max_size=4, unique_by=lambda each: each.name).map(tuple)


types = st.recursive(
    _leaf(),
    lambda inner: st.one_of(
        st.builds(ListType, st.just(0), inner, st.booleans()),
        st.builds(MapType, st.just(0), inner, st.just(0), inner, st.booleans()),
        st.builds(StructType, _fields(inner)),
    ),
    max_leaves=8,
)


def _numbered(fields: tuple[Field, ...], ids: Any, *, mapped: bool) -> tuple[Field, ...]:
    def inside(type_: Type) -> Type:
        match type_:
            case StructType(fields):
                return StructType(_numbered(fields, ids, mapped=mapped))
            case ListType(_, element, required):
                return ListType(next(ids), inside(element), required)
            case MapType(_, key, _, value, required):
                return MapType(next(ids), inside(key), next(ids), inside(value), required)
            case _:
                return type_

    return tuple(
        Field(
            id=next(ids),
            name=each.name,
            type=inside(each.type),
            required=each.required,
            doc=each.doc,
            physical_name=each.physical_name if mapped and each.physical_name != each.name else None,
            default_sql=each.default_sql,
            generation_sql=each.generation_sql,
        )
        for each in fields
    )


@given(_fields(types))
def test_a_mapped_schema_comes_back(fields: tuple[Field, ...]) -> None:
    schema = Schema(_numbered(fields, iter(range(5, 10_000, 3)), mapped=True))
    for mode in ("name", "id"):
        assert read_schema(write_schema(schema, mapped=True), mode) == schema


@given(_fields(types))
def test_an_unmapped_schema_comes_back_with_ids_by_level(fields: tuple[Field, ...]) -> None:
    schema = read_schema(write_schema(Schema(_numbered(fields, iter(range(1, 10_000)), mapped=False))))
    assert read_schema(write_schema(schema)) == schema
    by_level = sorted(schema.nodes, key=lambda node: node.id)
    assert [node.id for node in by_level] == list(range(1, len(schema.nodes) + 1))
    assert [len(node.path) for node in by_level] == sorted(len(node.path) for node in by_level)


def test_ids_are_those_of_xtable() -> None:
    text = json.dumps(
        {
            "type": "struct",
            "fields": [
                {"name": "id", "type": "long", "nullable": False, "metadata": {"comment": "key"}},
                {"name": "price", "type": "decimal(12,2)", "nullable": True, "metadata": {}},
                {"name": "tags", "type": {"type": "array", "elementType": "string", "containsNull": False}},
                {"name": "attrs", "type": {"type": "map", "keyType": "string", "valueType": "string"}},
                {"name": "nested", "type": {"type": "struct", "fields": [{"name": "x", "type": "timestamp_ntz"}]}},
                {"name": "u", "type": "binary", "metadata": {"xtableLogicalType": "uuid"}},
                {"name": "old", "type": "decimal", "metadata": {"delta.columnMapping.id": 77}},
            ],
        }
    )
    schema = read_schema(text)
    assert {node.dotted: node.id for node in schema.nodes} == {
        "id": 1,
        "price": 2,
        "tags": 3,
        "attrs": 4,
        "nested": 5,
        "u": 6,
        "old": 7,
        "tags.element": 8,
        "attrs.key": 9,
        "attrs.value": 10,
        "nested.x": 11,
    }
    assert schema.fields[0].required
    assert schema.fields[0].doc == "key"
    assert schema.fields[2].type == ListType(8, PrimitiveType("string"), element_required=True)
    assert schema.by_path["nested", "x"].type == PrimitiveType("timestamp")
    assert schema.fields[5].type == PrimitiveType("uuid")
    assert schema.fields[6].type == DecimalType(10, 0)


def test_ids_of_list_and_map_members_under_mapping() -> None:
    def column(name: str, id_: int, type_: Any, **metadata: Any) -> dict[str, Any]:
        mapping = {"delta.columnMapping.id": id_, "delta.columnMapping.physicalName": f"col-{id_}"}
        return {"name": name, "type": type_, "metadata": mapping | metadata}

    array = {"type": "array", "elementType": {"type": "array", "elementType": "long"}}
    nested = {"col-4.element": 9, "col-4.element.element": 8}
    fields = [column("a", 4, array, **{"delta.columnMapping.nested.ids": nested}), column("b", 2, array)]
    schema = read_schema(json.dumps({"type": "struct", "fields": fields}), "name", highest_id=20)
    assert {node.dotted: node.id for node in schema.nodes} == {
        "a": 4,
        "a.element": 9,
        "a.element.element": 8,
        "b": 2,
        "b.element": 21,
        "b.element.element": 22,
    }


def _one(type_: Any, **metadata: Any) -> str:
    return json.dumps({"type": "struct", "fields": [{"name": "c", "type": type_, "metadata": metadata}]})


@pytest.mark.parametrize(
    "type_",
    ["void", "variant", "interval day to second", "decimal(39,2)", "decimal(5,-2)", "timestamp_ltz", {"type": "udt"}],
)
def test_unknown_types(type_: Any) -> None:
    for given_type in (type_, {"type": "array", "elementType": type_, "containsNull": True}):
        with pytest.raises(UnsupportedTableFeature, match="'c"):
            read_schema(_one(given_type))


@pytest.mark.parametrize(
    "before, after, path, carried",
    [
        ("byte", "short", None, True),
        ("integer", "long", None, True),
        ("float", "double", None, True),
        ("decimal(9,2)", "decimal(12,2)", None, True),
        ("decimal(9,2)", "decimal(12,4)", None, False),
        ("integer", "double", None, False),
        ("long", "decimal(20,0)", None, False),
        ("date", "timestamp_ntz", None, False),
        ("integer", "decimal(10,0)", "element", False),
    ],
)
def test_type_changes(before: str, after: str, path: str | None, carried: bool) -> None:
    change = {"fromType": before, "toType": after} | ({"fieldPath": path} if path else {})
    type_ = {"type": "array", "elementType": after, "containsNull": True} if path else after
    text = _one(type_, **{"delta.typeChanges": [change]})
    if carried:
        assert read_schema(text).fields
    else:
        with pytest.raises(UnsupportedTableFeature, match=r"'c' was widened"):
            read_schema(text)


@pytest.mark.parametrize(
    "text, mode",
    [
        ("", "none"),
        ("[]", "none"),
        ("{}", "none"),
        ('{"type":"struct"}', "none"),
        ('{"type":"struct","fields":[{"name":1,"type":"long"}]}', "none"),
        ('{"type":"struct","fields":[{"name":"a"}]}', "none"),
        ('{"type":"array","elementType":"long"}', "none"),
        (_one("long"), "name"),
        (_one("long", **{"delta.columnMapping.id": 1}), "name"),
        (_one("long", **{"delta.columnMapping.id": "1", "delta.columnMapping.physicalName": "a"}), "id"),
        (_one("long"), "other"),
        (_one("long", **{"delta.typeChanges": 5}), "none"),
        ('{"type":"struct","fields":[{"name":"a","type":"long"},{"name":"a","type":"long"}]}', "none"),
        ('{"type":"struct","fields":[{"name":"\udcff","type":"long"}]}', "none"),
    ],
)
def test_broken_schemas(text: str, mode: str) -> None:
    with pytest.raises(CorruptTable):
        read_schema(text, mode)


@pytest.mark.parametrize("levels", [100, 100_000])
def test_deep_schemas(levels: int) -> None:
    text = '{"type":"array","elementType":' * levels + '"long"' + "}" * levels
    with pytest.raises(LimitExceeded):
        read_schema('{"type":"struct","fields":[{"name":"c","type":' + text + "}]}")
