"""Partitions are read as the source means them, or refused by name before anything is written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.errors import UnsupportedTableFeature
from converters.model.partition import PartitionField, Transform
from tests.hudi_target.made import SPARKS, HudiMade, identity, schema_of
from tests.readers import hudi

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
UTC = dt.UTC

# Types of partition columns, and directories with the values that they stand for.
RIGHT: dict[str, tuple[list[pa.DataType], list[tuple[str, tuple[Any, ...]]]]] = {
    "texts": (
        [pa.string()],
        [
            ("c0=plain", ("plain",)),
            ("c0=a b", ("a b",)),
            ("c0=a%2Fb%3Dc%25", ("a/b=c%",)),
            ("c0=ü \U0001f600", ("ü \U0001f600",)),
            ("c0=x%3Ay", ("x:y",)),
            ("c0=007", ("007",)),
            (f"c0={HIVE_NULL}", (None,)),
        ],
    ),
    "texts that are not escaped": ([pa.string()], [("c0=%ü+?", ("%ü+?",)), ("c0=a b", ("a b",))]),
    "decimals": ([pa.decimal128(5, 2)], [("c0=1.50", (Decimal("1.50"),)), ("c0=-0.25", (Decimal("-0.25"),))]),
    "bare texts": ([pa.string()], [("north", ("north",)), ("so uth", ("so uth",)), (HIVE_NULL, (None,))]),
    "numbers": ([pa.int64()], [("c0=-7", (-7,)), (f"c0={2**62}", (2**62,)), (f"c0={HIVE_NULL}", (None,))]),
    "dates": ([pa.date32()], [("c0=2024-02-29", (dt.date(2024, 2, 29),)), ("c0=1899-12-31", (dt.date(1899, 12, 31),))]),
    "flags": ([pa.bool_()], [("c0=true", (True,)), ("c0=false", (False,))]),
    "instants": (
        [pa.timestamp("us", "UTC")],
        [("c0=2024-01-01T10%3A00%3A00.000001%2B00%3A00", (dt.datetime(2024, 1, 1, 10, 0, 0, 1, tzinfo=UTC),))],
    ),
    "two columns": (
        [pa.string(), pa.int32()],
        [("c0=a/c1=1", ("a", 1)), (f"c0={HIVE_NULL}/c1=2", (None, 2)), (f"c0=b/c1={HIVE_NULL}", ("b", None))],
    ),
    "two bare columns": ([pa.int32(), pa.date32()], [("2024/2024-05-06", (2024, dt.date(2024, 5, 6)))]),
}

# The same that is refused, and what the error names.
WRONG: dict[str, tuple[list[pa.DataType], str, tuple[Any, ...], str]] = {
    "escapes of UTF-8 bytes": ([pa.string()], "c0=%C3%BC", ("ü",), "c0=%C3%BC"),
    "an escape where Hudi makes none": ([pa.string()], "c0=a%20b", ("a b",), "escaped otherwise"),
    "zeros before a number": ([pa.int32()], "c0=007", (7,), "007"),
    "fewer digits": ([pa.decimal128(5, 2)], "c0=1.5", (Decimal("1.5"),), r"1\.5"),
    "a plus for a space": ([pa.string()], "c0=a+b", ("a b",), "reads as 'a\\+b'"),
    "an empty text": ([pa.string()], "c0=", ("",), "c0"),
    "another column's name": ([pa.string()], "other=a", ("a",), "'other' is not the partition column 'c0'"),
    "an equals sign in a bare value": ([pa.string()], "a=b", ("a=b",), "'a' is not"),
    "too many levels": ([pa.string()], "x/c0=a", ("a",), "2 levels"),
    "too few levels": ([pa.string(), pa.string()], "c0=a", ("a", "b"), "1 levels"),
    "another value": ([pa.int32()], "c0=1", (2,), "the value of 'c0' is 2, but reads as 1"),
    "a null that is none": ([pa.string()], f"c0={HIVE_NULL}", (HIVE_NULL,), "reads as None"),
    "a time without its zone": (
        [pa.timestamp("us", "UTC")],
        "c0=2024-01-01 10%3A00%3A00",
        (dt.datetime(2024, 1, 1, 10, tzinfo=UTC),),
        "c0",
    ),
    "a local time": (
        [pa.timestamp("us")],
        "c0=2024-01-01 10%3A00%3A00",
        (dt.datetime.fromisoformat("2024-01-01"),),
        "timestamp",
    ),
    "a fraction": ([pa.float64()], "c0=0.5", (0.5,), "double"),
    "bytes": ([pa.binary()], "c0=ab", (b"ab",), "binary"),
    "a day as a number": ([pa.date32()], "c0=19000", (dt.date(2022, 1, 8),), "c0"),
}


def _table(directory: Path, types: list[pa.DataType], *, in_files: bool) -> tuple[HudiMade, pa.Schema]:
    partition = [pa.field(f"c{number}", type_) for number, type_ in enumerate(types)]
    schema = pa.schema([pa.field("id", pa.int64()), *partition])
    model = schema_of(schema)
    table = HudiMade(directory, model, partition_by=identity(model, *(field.name for field in partition)))
    return table, schema if in_files else schema.remove(1) if len(types) == 1 else pa.schema([schema.field(0)])


def _write(table: HudiMade, schema: pa.Schema, directory: str, values: tuple[Any, ...], id_: int) -> dict[str, Any]:
    row = {"id": id_} | {f"c{number}": value for number, value in enumerate(values)}
    rows = pa.Table.from_pylist([{name: row[name] for name in schema.names}], schema)
    table.write(f"{directory}/{id_}.parquet", rows, **{name: row[name] for name in row if name != "id"})
    return row


@pytest.mark.parametrize("in_files", [True, False], ids=["in the files", "in the path only"])
@pytest.mark.parametrize("kind", RIGHT)
def test_values_are_read_as_they_are(tmp_path: Path, kind: str, in_files: bool) -> None:
    types, directories = RIGHT[kind]
    table, schema = _table(tmp_path, types, in_files=in_files)
    expected = [_write(table, schema, directory, values, id_) for id_, (directory, values) in enumerate(directories)]
    table.sync()
    for reader in SPARKS:
        found = hudi.query(reader, tmp_path, "SELECT * FROM t ORDER BY id").rows
        assert found.select([*expected[0]]).to_pylist() == expected, reader
        # Hudi 1.2 looks for the directories of a filter's values by name; the others are asked once.
        for row in expected if reader == SPARKS[0] else expected[:1]:
            condition = " AND ".join(
                f"{name} IS NULL" if row[name] is None else f"{name} = {_literal(row[name])}"
                for name in row
                if name != "id"
            )
            assert hudi.query(reader, tmp_path, f"SELECT id FROM t WHERE {condition}").rows["id"].to_pylist() == [
                row["id"]
            ], (reader, condition)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value}BD"
    if isinstance(value, dt.datetime):
        return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
    return f"DATE '{value}'" if isinstance(value, dt.date) else repr(value)


@pytest.mark.parametrize("kind", WRONG)
def test_values_that_would_be_read_otherwise_are_refused(tmp_path: Path, kind: str) -> None:
    types, directory, values, said = WRONG[kind]
    table, schema = _table(tmp_path, types, in_files=True)
    _write(table, schema, directory, values, 1)
    with pytest.raises(UnsupportedTableFeature, match=said):
        table.sync()
    assert not (tmp_path / ".hoodie").exists()


@pytest.mark.parametrize(
    "transform", ["year", "month", "day", "hour", Transform("bucket", 4), Transform("truncate", 4)], ids=str
)
def test_transforms_are_refused(tmp_path: Path, transform: Any) -> None:
    model = schema_of(pa.schema([("id", pa.int64()), ("t", pa.timestamp("us", "UTC"))]))
    how = transform if isinstance(transform, Transform) else Transform(transform)
    field = PartitionField(id=1000, source_id=2, name="t_part", transform=how)
    table = HudiMade(tmp_path, model, partition_by=[field])
    with pytest.raises(UnsupportedTableFeature, match=f"partitioned by {str(how)[:4]}.* of 't'"):
        table.target().check(table.snapshot())


@pytest.mark.parametrize("place", ["folder/a.parquet", "../elsewhere/a.parquet"])
def test_files_in_other_places_are_refused(tmp_path: Path, place: str) -> None:
    rows = pa.table({"id": [1]})
    table = HudiMade(tmp_path / "t", schema_of(rows.schema))
    table.write(place, rows)
    with pytest.raises(UnsupportedTableFeature, match=r"a\.parquet|folder"):
        table.target().replace(table.snapshot(), _resolved(table), table.state(), None)
    assert not (tmp_path / "t/.hoodie").exists()


def _resolved(table: HudiMade) -> Any:
    for batch in table.batches():
        path = [str(Path(each.removeprefix("file://")).resolve()) for each in batch["path"].to_pylist()]
        yield batch.set_column(0, batch.schema.field(0), pa.array([f"file://{each}" for each in path]))


def test_another_partitioning_than_the_tables_is_refused(tmp_path: Path) -> None:
    table, schema = _table(tmp_path, [pa.string()], in_files=True)
    _write(table, schema, "c0=a", ("a",), 1)
    table.sync()
    other = HudiMade(tmp_path, table.table.schema)
    other.write("b.parquet", pa.table({"id": [1], "c0": ["x"]}))
    with pytest.raises(UnsupportedTableFeature, match="it is partitioned by c0, the source by nothing"):
        other.sync()


def test_directories_of_two_forms_are_refused(tmp_path: Path) -> None:
    table, schema = _table(tmp_path, [pa.string()], in_files=True)
    _write(table, schema, "c0=a", ("a",), 1)
    _write(table, schema, "b", ("b",), 2)
    with pytest.raises(UnsupportedTableFeature, match="of another form"):
        table.sync()


def test_a_form_that_the_table_does_not_have_is_refused(tmp_path: Path) -> None:
    table, schema = _table(tmp_path, [pa.string()], in_files=True)
    _write(table, schema, "c0=a", ("a",), 1)
    table.sync()
    _write(table, schema, "c0=x%3Ay", ("x:y",), 2)
    with pytest.raises(UnsupportedTableFeature, match="escaped otherwise than its properties say"):
        table.sync()
