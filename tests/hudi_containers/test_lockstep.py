"""Records decoded together are decoded as each alone, and nothing is read that is not theirs."""

import contextlib
import io
import json
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.avro.container import varint
from converters.avro.lockstep import Cursor, DamagedRecordsError
from converters.avro.shapes import read_shape
from converters.errors import CorruptTable, UnsupportedTableFeature

LONG = st.integers(-(2**63), 2**63 - 1)

PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": LONG,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=200),
    "string": st.text(st.characters(codec="utf-8"), max_size=100),
}


@st.composite
def typed(draw: st.DrawFn, depth: int = 3) -> tuple[Any, st.SearchStrategy[Any]]:
    """A schema, and values of it."""
    kinds = ["primitive", "union", "array", "map", "record", "fixed"] if depth else ["primitive", "fixed"]
    kind = draw(st.sampled_from(kinds))
    name = f"n{draw(st.uuids(version=4)).hex}"
    if kind == "primitive":
        primitive = draw(st.sampled_from(sorted(PRIMITIVES)))
        return primitive, PRIMITIVES[primitive]
    if kind == "fixed":
        size = draw(st.integers(1, 20))
        return {"type": "fixed", "name": name, "size": size}, st.binary(min_size=size, max_size=size)
    if kind == "union":
        primitive = draw(st.sampled_from(["boolean", "long", "string"]))
        return ["null", primitive], st.one_of(st.none(), PRIMITIVES[primitive])
    schema, values = draw(typed(depth - 1))
    if kind == "array":
        return {"type": "array", "items": schema}, st.lists(values, max_size=3)
    if kind == "map":
        return {"type": "map", "values": schema}, st.dictionaries(PRIMITIVES["string"], values, max_size=3)
    fields = [("a", (schema, values)), ("b", draw(typed(depth - 1)))]
    record = {"type": "record", "name": name, "fields": [{"name": label, "type": each} for label, (each, _) in fields]}
    return record, st.fixed_dictionaries({label: each for label, (_, each) in fields})


def cursor(records: list[bytes]) -> Cursor:
    ends = np.cumsum([len(record) for record in records], dtype=np.int64)
    starts = ends - np.array([len(record) for record in records], np.int64)
    return Cursor(b"".join(records) + bytes(16), starts, ends)


@given(data=st.data(), schema=typed())
@settings(deadline=None, max_examples=150)
def test_any_value_is_passed_over_to_its_end(data: st.DataObject, schema: tuple[Any, st.SearchStrategy[Any]]) -> None:
    parsed = fastavro.parse_schema(schema[0])
    records = []
    for value in data.draw(st.lists(schema[1], min_size=1, max_size=5)):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, value)
        records.append(out.getvalue())
    together = cursor(records)
    together.skip(read_shape(json.dumps(schema[0]), "It"))
    together.check_ended()


@given(values=st.lists(st.one_of(LONG, st.integers(-64, 63), st.sampled_from([2**k for k in range(63)])), min_size=1))
@settings(deadline=None, max_examples=300)
def test_numbers_of_every_length_are_read(values: list[int]) -> None:
    together = cursor([varint(value) for value in values])
    assert together.longs().tolist() == values
    together.check_ended()


@pytest.mark.parametrize("record", [b"", b"\x80", b"\xff" * 9, b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 12])
def test_a_truncated_or_too_long_number_is_damage(record: bytes) -> None:
    for records in ([record], [b"\x02", record], [record, b"\x02"]):
        with pytest.raises(DamagedRecordsError):
            cursor(records).longs()


@pytest.mark.parametrize("length", [-1, 4, 2**31, 2**62, -(2**63)])
def test_a_length_that_cannot_be_is_damage(length: int) -> None:
    with pytest.raises(DamagedRecordsError):
        cursor([varint(length) + b"abc", b"\x02a"]).slices()


def test_an_endless_list_of_nothing_is_damage() -> None:
    shape = read_shape('{"type":"array","items":"null"}', "It")
    with pytest.raises(DamagedRecordsError):
        cursor([varint(2**40) + b"\x00"]).skip(shape)
    with pytest.raises(DamagedRecordsError):
        cursor([(varint(1) * 2000) + b"\x00"]).skip(shape)


@given(data=st.binary(max_size=60), schema=typed())
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_read_or_damage(data: bytes, schema: tuple[Any, Any]) -> None:
    with contextlib.suppress(DamagedRecordsError):
        cursor([data, data[:20]]).skip(read_shape(json.dumps(schema[0]), "It"))


@pytest.mark.parametrize(
    "schema",
    ["", "{", "7", '"nothing"', '{"type":"record"}', '{"type":"record","name":"a","fields":[3]}', "[" * 100_000, "{}"],
)
def test_what_is_no_schema_is_corrupt(schema: str) -> None:
    with pytest.raises(CorruptTable):
        read_shape(schema, "It")


def test_a_schema_that_refers_to_itself_or_explodes_is_refused() -> None:
    own = '{"type":"record","name":"a","fields":[{"name":"b","type":["null","a"]}]}'
    with pytest.raises(UnsupportedTableFeature, match="refers to itself"):
        read_shape(own, "It")
    doubling: dict[str, Any] = {"type": "record", "name": "r0", "fields": [{"name": "a", "type": "null"}]}
    for level in range(1, 40):
        twice: list[dict[str, Any]] = [{"name": "a", "type": doubling}, {"name": "b", "type": f"r{level - 1}"}]
        doubling = {"type": "record", "name": f"r{level}", "fields": twice}
    with pytest.raises(UnsupportedTableFeature, match="too large"):
        read_shape(json.dumps(doubling), "It")


def test_names_are_resolved_as_avro_says() -> None:
    inner = {"type": "record", "name": "x.Inner", "fields": [{"name": "v", "type": "int"}]}
    fields = [
        {"name": "a", "type": inner},
        {"name": "b", "type": "x.Inner"},
        {"name": "c", "type": ["null", "x.Inner"]},
    ]
    shape = read_shape(json.dumps({"type": "record", "name": "Outer", "namespace": "x", "fields": fields}), "It")
    assert [member.name for member in shape.members] == ["Inner", "Inner", "union"]
    assert shape.members[2].members[1] == shape.members[0]
