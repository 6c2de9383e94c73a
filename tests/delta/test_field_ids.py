"""Field ids in data files: taken over where the log knows none, refused where they contradict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import UnsupportedTableFeature
from tests.delta.logs import Table, add, column, metadata, protocol

STRUCT = {"type": "struct", "fields": [column("x", "long"), column("y", "string")]}
LIST = {"type": "array", "elementType": "long", "containsNull": True}
COLUMNS = [column("a", "long"), column("s", STRUCT), column("l", LIST), column("new", "string")]


def _field(name: str, type_: pa.DataType, id_: int | None) -> pa.Field:
    return pa.field(name, type_, metadata=None if id_ is None else {"PARQUET:field_id": str(id_)})


def _file(table: Table, name: str, ids: Mapping[str, int | None]) -> None:
    inner = pa.struct([_field("x", pa.int64(), ids.get("s.x")), _field("y", pa.string(), ids.get("s.y"))])
    values = pa.list_(_field("element", pa.int64(), ids.get("l.element")))
    schema = pa.schema(
        [_field("a", pa.int64(), ids.get("a")), _field("s", inner, ids.get("s")), _field("l", values, ids.get("l"))]
    )
    rows = [{"a": 1, "s": {"x": 1, "y": "z"}, "l": [1]}]
    pq.write_table(pa.Table.from_pylist(rows, schema), table.directory / name)


ICEBERG = {"a": 7, "s": 3, "s.x": 9, "s.y": 4, "l": 5, "l.element": 6}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def _ids(table: Table) -> dict[str, int]:
    return {node.dotted: node.id for node in table.source().snapshot().table.schema.nodes}


def test_files_without_ids(table: Table) -> None:
    for name in "bc":
        _file(table, name, {})
    table.commit(0, protocol(), metadata(*COLUMNS), add("b"), add("c"))
    snapshot, files = table.read()
    assert snapshot.table.field_ids == "none"
    assert len(files) == 2
    assert _ids(table)["a"] == 1


def test_ids_of_another_format_are_taken_over(table: Table) -> None:
    for name in "bcd":
        _file(table, name, ICEBERG)
    table.commit(0, protocol(), metadata(*COLUMNS, by=["new"]), *(add(name) for name in "bcd"))
    snapshot, files = table.read()
    assert snapshot.table.field_ids == "all"
    assert _ids(table) == {**ICEBERG, "new": 10}
    assert snapshot.table.default_spec.fields[0].source_id == 10
    assert len(files) == 3


@pytest.mark.parametrize("odd", [{}, {**ICEBERG, "a": None}, {**ICEBERG, "a": 8}, {**ICEBERG, "a": 9, "s.x": 7}])
@pytest.mark.parametrize("place", ["b", "c", "d"])
def test_files_that_contradict_each_other(table: Table, odd: Mapping[str, int | None], place: str) -> None:
    for name in "bcd":
        _file(table, name, odd if name == place else ICEBERG)
    table.commit(0, protocol(), metadata(*COLUMNS), *(add(name) for name in "bcd"))
    with pytest.raises(UnsupportedTableFeature, match="field id"):
        table.read()


def test_old_files_with_ids_behind_new_ones_without(table: Table) -> None:
    _file(table, "old", ICEBERG)
    _file(table, "new", {})
    table.parquet(f"{3:020d}.checkpoint.parquet", protocol(), metadata(*COLUMNS), add("old"))
    table.commit(4, add("new"))
    with pytest.raises(UnsupportedTableFeature, match="field id"):
        table.read()


def _mapped(name: str, type_: object, id_: int, **more: object) -> dict[str, object]:
    return column(name, type_, **{"delta.columnMapping.id": id_, "delta.columnMapping.physicalName": name, **more})


NESTED = {"delta.columnMapping.nested.ids": {"l.element": 6}}
MAPPED = [
    _mapped("a", "long", 7),
    _mapped("s", {"type": "struct", "fields": [_mapped("x", "long", 9), _mapped("y", "string", 4)]}, 3),
    _mapped("l", LIST, 5, **NESTED),
]


@pytest.mark.parametrize(
    "compat,ids,presence",
    [
        ("true", ICEBERG, "all"),
        ("true", {**ICEBERG, "l.element": None}, "unknown"),
        ("false", ICEBERG, "unknown"),
        ("false", {}, "unknown"),
    ],
)
def test_column_mapping(table: Table, compat: str, ids: Mapping[str, int | None], presence: str) -> None:
    _file(table, "b", ids)
    configuration = {"delta.columnMapping.mode": "name", "delta.enableIcebergCompatV2": compat}
    table.commit(0, protocol(2, 7), metadata(*MAPPED, configuration=configuration), add("b"))
    snapshot, files = table.read()
    assert snapshot.table.field_ids == presence
    assert {node.dotted: node.id for node in snapshot.table.schema.nodes} == ICEBERG
    assert len(files) == 1


def test_column_mapping_that_the_files_contradict(table: Table) -> None:
    _file(table, "b", {**ICEBERG, "a": 4, "s.y": 7})
    configuration = {"delta.columnMapping.mode": "name"}
    table.commit(0, protocol(2, 5), metadata(*MAPPED, configuration=configuration), add("b"))
    with pytest.raises(UnsupportedTableFeature, match="field id"):
        table.read()
