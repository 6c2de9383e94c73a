"""The schemas that we write: read back the same, and as Avro and Hudi have them."""

from __future__ import annotations

import json
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import UnsupportedTableFeature
from converters.hudi.schema.avro_names import META_COLUMNS
from converters.hudi.schema.reader import read_schema, write_schema
from converters.hudi.schema.writer import decimal_bytes
from converters.model.schema import Schema
from converters.model.types import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    FixedType,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
)

_KINDS = ["boolean", "int", "long", "float", "double", "date", "timestamp", "timestamptz", "string", "binary"]
_NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,8}\Z")


def _decimals() -> st.SearchStrategy[Type]:
    return st.integers(1, 38).flatmap(lambda p: st.builds(DecimalType, st.just(p), st.integers(0, p)))


def _field_lists(types: st.SearchStrategy[Type], *, least: int = 1) -> st.SearchStrategy[tuple[Field, ...]]:
    fields = st.builds(
        Field, id=st.just(0), name=_NAMES, type=types, required=st.booleans(), doc=st.none() | st.text(min_size=1)
    )
    unique = st.lists(fields, min_size=least, max_size=4, unique_by=lambda field: field.name.lower())
    return unique.map(tuple)


_TYPES: st.SearchStrategy[Type] = st.recursive(
    st.sampled_from(_KINDS).map(PRIMITIVE_KINDS.__getitem__) | _decimals() | st.integers(1, 300).map(FixedType),
    lambda inner: (
        st.builds(ListType, st.just(0), inner, st.booleans())
        | st.builds(MapType, st.just(0), st.just(PRIMITIVE_KINDS["string"]), st.just(0), inner, st.booleans())
        | _field_lists(inner).map(StructType)
    ),
    max_leaves=12,
)


def _numbered(schema: Schema) -> Schema:
    """The schema with the ids that are made up on reading: a place's members first, then theirs."""
    following = iter(range(1, 10_000))

    def fields(given_fields: tuple[Field, ...]) -> tuple[Field, ...]:
        ids = [next(following) for _ in given_fields]
        return tuple(
            msgspec.structs.replace(field, id=id_, type=type_of(field.type))
            for id_, field in zip(ids, given_fields, strict=True)
        )

    def type_of(type_: Type) -> Type:
        match type_:
            case StructType(members):
                return StructType(fields(members))
            case ListType(element=element, element_required=required):
                id_ = next(following)
                return ListType(id_, type_of(element), required)
            case MapType(key=key, value=value, value_required=required):
                key_id, value_id = next(following), next(following)
                return MapType(key_id, key, value_id, type_of(value), required)
            case _:
                return type_

    return Schema(fields(schema.fields))


@given(_field_lists(_TYPES, least=0).map(Schema), st.text(min_size=1, max_size=12))
def test_a_schema_comes_back_as_it_went_and_is_avro(schema: Schema, table_name: str) -> None:
    text = write_schema(schema, table_name)
    fastavro.parse_schema(json.loads(text))
    assert read_schema(text, keep_meta_columns=True) == _numbered(schema)


def _one(type_: Type, **attributes: Any) -> Schema:
    return Schema((Field(id=1, name="c", type=type_, **attributes),))


def _written(schema: Schema, table_name: str = "t") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(write_schema(schema, table_name))
    return found


def test_a_column_that_may_be_null_is_null_by_default() -> None:
    assert _written(_one(PRIMITIVE_KINDS["long"], doc="a doc"))["fields"] == [
        {"name": "c", "type": ["null", "long"], "doc": "a doc", "default": None}
    ]
    assert _written(_one(PRIMITIVE_KINDS["long"], required=True))["fields"] == [{"name": "c", "type": "long"}]


@pytest.mark.parametrize("kind", ["byte", "short"])
def test_small_integers_are_int(kind: str) -> None:
    assert _written(_one(PRIMITIVE_KINDS[kind], required=True))["fields"][0]["type"] == "int"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("t", ("t_record", "hoodie.t")),
        ("my table-1", ("my__table__1_record", "hoodie.my__table__1")),
        ("1t", ("__t_record", "hoodie.__t")),
        ("größe", ("gr____e_record", "hoodie.gr____e")),
        ("a.b", ("a__b_record", "hoodie.a__b")),
    ],
)
def test_the_record_is_called_after_the_table(name: str, expected: tuple[str, str]) -> None:
    written = _written(_one(PRIMITIVE_KINDS["int"]), name)
    assert (written["name"], written["namespace"]) == expected


@pytest.mark.parametrize(
    "precision, size", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (7, 4), (9, 4), (10, 5), (18, 8), (19, 9), (38, 16)]
)
def test_a_decimal_has_as_many_bytes_as_its_digits_need(precision: int, size: int) -> None:
    assert decimal_bytes(precision) == size


@given(st.integers(1, 38))
def test_the_bytes_of_a_decimal_are_enough_and_no_more(precision: int) -> None:
    largest, size = 10**precision - 1, decimal_bytes(precision)
    assert -(2 ** (8 * size - 1)) <= -largest
    assert largest < 2 ** (8 * size - 1)
    assert largest >= 2 ** (8 * (size - 1) - 1) or size == 1


@pytest.mark.parametrize("name", ["a b", "1a", "a-b", "a.b", "", "a$", "²", "a\u0301"])
def test_illegal_names_are_refused(name: str) -> None:
    inner = StructType((Field(id=2, name=name, type=PRIMITIVE_KINDS["int"]),))
    for schema, told in (
        (Schema((Field(id=1, name=name, type=PRIMITIVE_KINDS["int"]),)), f"'{name}'"),
        (_one(inner), f"'c.{name}'"),
        (_one(ListType(3, inner)), f"'c.element.{name}'"),
    ):
        with pytest.raises(UnsupportedTableFeature) as caught:
            write_schema(schema, "t")
        assert told in caught.value.message


def test_letters_of_any_script_are_legal() -> None:
    schema = Schema((Field(id=1, name="größe", type=PRIMITIVE_KINDS["int"]),))
    assert read_schema(write_schema(schema, "t"), keep_meta_columns=False) == schema


def test_names_that_differ_in_case_only_are_refused() -> None:
    schema = Schema(tuple(Field(id=n, name=name, type=PRIMITIVE_KINDS["int"]) for n, name in enumerate("abA", 1)))
    with pytest.raises(UnsupportedTableFeature, match=r"'a' and 'A'"):
        write_schema(schema, "t")


@pytest.mark.parametrize("name", META_COLUMNS)
def test_names_of_hudis_own_columns_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedTableFeature, match=name):
        write_schema(Schema((Field(id=1, name=name, type=PRIMITIVE_KINDS["string"]),)), "t")


@pytest.mark.parametrize("kind", ["timestamp_ns", "timestamptz_ns", "time", "uuid"])
def test_what_readers_of_hudi_do_not_have_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedTableFeature, match=f"'c'.*{kind}"):
        write_schema(_one(PRIMITIVE_KINDS[kind]), "t")


@pytest.mark.parametrize("key", [PRIMITIVE_KINDS["int"], PRIMITIVE_KINDS["uuid"], DecimalType(3, 1)])
def test_maps_with_other_keys_than_strings_are_refused(key: PrimitiveType | DecimalType) -> None:
    with pytest.raises(UnsupportedTableFeature, match=r"map column 'c'"):
        write_schema(_one(MapType(2, key, 3, PRIMITIVE_KINDS["int"])), "t")
