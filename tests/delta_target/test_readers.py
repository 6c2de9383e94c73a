"""What we write is read by engines that are not ours: all rows, and the right ones under filters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.model import Field, PartitionField, PartitionSpec, Schema, Transform
from tests.delta_target.made import Made, identity, schema_of, with_ids
from tests.readers import Reader, assert_same_rows, canonical_rows, read
from tests.readers.tables import spark_frame

ALL: tuple[Reader, ...] = ("spark", "duckdb", "deltalake", "polars")
NOT_POLARS: tuple[Reader, ...] = ("spark", "duckdb", "deltalake")

UTC = dt.UTC
AT = dt.datetime(1969, 12, 31, 23, 59, 59, 999_001, tzinfo=UTC)
INNER = pa.struct([("x", pa.int64()), ("y", pa.string())])
TYPES = pa.schema(
    [
        ("flag", pa.bool_()),
        ("i", pa.int32()),
        ("l", pa.int64()),
        ("f", pa.float32()),
        ("d", pa.float64()),
        ("small", pa.decimal128(7, 2)),
        ("large", pa.decimal128(38, 10)),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("s", pa.string()),
        ("b", pa.binary()),
        ("st", INNER),
        ("ls", pa.list_(pa.int64())),
        ("m", pa.map_(pa.string(), INNER)),
    ]
)


def _row(n: int) -> dict[str, Any]:
    return {
        "flag": n % 2 == 0,
        "i": n * 1000 - 2500,
        "l": n * 2**40 - 2**42,
        "f": n / 3 - 1,
        "d": [0.1, -0.0, 1e300, float("nan"), float("inf")][n % 5],
        "small": Decimal(n * 101 - 300) / 100,
        "large": Decimal(n) * Decimal("12345678901234567.0000000001") - Decimal("0.5"),
        "day": dt.date(1969, 12, 28) + dt.timedelta(days=n),
        "at": AT + dt.timedelta(seconds=n, microseconds=n * 337),
        "s": ["", "é日😀", "x" * 50, "q'\"\\\n\t", "z\U0010ffff"][n % 5],
        "b": bytes([n, 255 - n]),
        "st": {"x": n, "y": f"v{n}"},
        "ls": [n, None],
        "m": [("k", {"x": n, "y": None})],
    }


def _table(*numbers: int, nulls: int = 0) -> pa.Table:
    return pa.Table.from_pylist([*map(_row, numbers), *[{}] * nulls], TYPES)


def test_every_type(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(TYPES))
    made.write("data/a.parquet", _table(0, 1))
    made.write("data/b.parquet", _table(2, 3, 4, nulls=1))
    made.write("data/c.parquet", _table(5, 6))
    made.write("data/d.parquet", _table(nulls=2))
    made.sync()
    assert_same_rows("delta", made.directory, made.rows, ALL)


def test_wall_clock_timestamps(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int32()),
            "at": pa.array([AT.replace(tzinfo=None), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999), None]),  # noqa: DTZ001
        }
    )
    made = Made(tmp_path, schema_of(rows.schema))
    made.write("a.parquet", rows.slice(0, 1))
    made.write("b.parquet", rows.slice(1))
    made.sync()
    assert_same_rows("delta", tmp_path, made.rows, ALL)


PARTITIONS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "string": (
        pa.string(),
        ["a/b c%=", "é日😀", "x'y\"z\\", None, "null", "__HIVE_DEFAULT_PARTITION__", " lead ", "t\tn\n"],
    ),
    "int": (pa.int32(), [-(2**31), 0, 2**31 - 1, None]),
    "long": (pa.int64(), [-(2**63), 2**63 - 1, None]),
    "boolean": (pa.bool_(), [True, False, None]),
    "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31), None]),
    "timestamptz": (pa.timestamp("us", "UTC"), [AT, dt.datetime(2024, 1, 2, tzinfo=UTC), None]),
    "timestamp": (pa.timestamp("us"), [AT.replace(tzinfo=None), None]),
    "decimal": (pa.decimal128(12, 2), [Decimal("-1.20"), Decimal("1234567890.12"), None]),
}


@pytest.mark.parametrize("kind, in_files", [*((kind, True) for kind in PARTITIONS), ("string", False), ("date", False)])
def test_identity_partitions(tmp_path: Path, kind: str, in_files: bool) -> None:
    type_, values = PARTITIONS[kind]
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", type_)]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "p"), field_ids="unknown")
    expected: list[pa.Table] = []
    for number, value in enumerate(values):
        rows = pa.table({"id": pa.array([number], pa.int64()), "p": pa.array([value], type_)})
        expected.append(rows)
        made.write(f"data/{number}.parquet", rows if in_files else rows.drop_columns(["p"]), p=value)
    made.sync()
    # polars takes partition values from paths where files lack them.
    readers = ALL if in_files else NOT_POLARS
    assert_same_rows("delta", tmp_path, pa.concat_tables(expected), readers)


@pytest.mark.parametrize(
    "type_, values",
    [
        (pa.string(), ["", None, "x"]),
        (pa.float64(), [1.5, float("nan"), -0.0, float("inf"), None]),
        (pa.float32(), [1.5, -0.0, None]),
        (pa.binary(), [b"", b"\xff\x00", b"abc", None]),
        (pa.date32(), [dt.date(2024, 1, 1), None]),
    ],
)
def test_partitions_that_delta_cannot_say(tmp_path: Path, type_: pa.DataType, values: list[Any]) -> None:
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", type_), ("q", pa.int64())]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "q", "p"))
    for number, value in enumerate(values):
        rows = pa.table({"id": pa.array([number]), "p": pa.array([value], type_), "q": pa.array([number % 2])})
        made.write(f"{number}.parquet", rows, p=value, q=number % 2)
    if pa.types.is_date(type_):
        year_10000 = pa.array([3_000_000], pa.int32()).cast(type_)
        made.write("far.parquet", pa.table({"id": [9], "p": year_10000, "q": [1]}), p=3_000_000, q=1)
        made.sync()
        assert len(read("delta", tmp_path, "duckdb")) == len(values) + 1
        return
    made.sync()
    assert_same_rows("delta", tmp_path, made.rows, ALL)


LEGAL_NAMES = ["a.b", "a-b", "日本", "a`b", 'a"b', "a'b", "a/b", "a%b", "select", "$", "#?*", "[1]", "a:b\\", "\r"]
ILLEGAL_NAMES = ["x y", "p,q", "{}", "a=b", "(;)", "tab\tx", "\n"]


@pytest.mark.parametrize("names", [LEGAL_NAMES, LEGAL_NAMES + ILLEGAL_NAMES])
@pytest.mark.parametrize("stored_as_avro_has_them", [False, True])
def test_odd_column_names(tmp_path: Path, names: list[str], stored_as_avro_has_them: bool) -> None:
    rows = pa.table({name: pa.array([number, None, 7]) for number, name in enumerate(names)})
    stored = [f"n_x{number}" for number in range(len(names))] if stored_as_avro_has_them else names
    made = Made(tmp_path, schema_of(rows.schema, **{names[0]: {"doc": 'odd " \\ é'}}))
    in_file = with_ids(rows.rename_columns(stored), dict(zip(stored, range(1, 100), strict=False)))
    made.write("a.parquet", in_file.slice(0, 2))
    made.write("b.parquet", in_file.slice(2))
    made.sync()
    mapped = stored_as_avro_has_them or names != LEGAL_NAMES
    assert ("delta.columnMapping.mode" in made.current().handle.state.metadata.properties) == mapped
    # Filters of DuckDB and delta-rs are not made for such names: rows only.
    for reader in NOT_POLARS if mapped else ALL:
        assert canonical_rows(read("delta", tmp_path, reader)) == canonical_rows(rows)


def test_a_renamed_column_whose_files_agree(tmp_path: Path) -> None:
    """Renamed once, and all files were written before or all after: one physical name does."""
    rows = pa.table(
        {"id": pa.array([1, 2]), "new name": pa.array(["a", "b"]), "added": pa.array([None, None], pa.int64())}
    )
    made = Made(tmp_path, schema_of(rows.schema), names_are_stable=False)
    in_file = with_ids(rows.drop_columns(["added"]).rename_columns(["id", "old"]), {"id": 1, "old": 2})
    made.write("a.parquet", in_file.slice(0, 1))
    made.write("b.parquet", in_file.slice(1))
    made.sync()
    assert_same_rows("delta", tmp_path, rows, NOT_POLARS)


def test_a_dropped_name_that_came_back(tmp_path: Path) -> None:
    """No live file has the new column yet, but one has another column of that name."""
    now = pa.table({"id": pa.array([1]), "v": pa.array([None], pa.string())})
    schema = Schema((schema_of(now.schema).fields[0], Field(id=7, name="v", type=schema_of(now.schema).fields[1].type)))
    made = Made(tmp_path, schema, names_are_stable=False)
    made.write("a.parquet", with_ids(pa.table({"id": [1], "v": ["former"]}), {"id": 1, "v": 2}))
    made.sync()
    for reader in NOT_POLARS:
        assert canonical_rows(read("delta", tmp_path, reader)) == canonical_rows(now)


FILE_NAMES = [
    "f.parquet",
    "k=a%2Fb/f.parquet",
    "a b/c#d?.parquet",
    "ü/日+&,;@.parquet",
    "😀/~(1).parquet",
    "'\"\\^.parquet",
]


@pytest.mark.parametrize("directory", ["plain", "a b c", "é 日", "x=1"])
def test_paths(tmp_path: Path, directory: str) -> None:
    rows = pa.table({"id": list(range(len(FILE_NAMES)))})
    made = Made(tmp_path / directory, schema_of(rows.schema))
    for number, name in enumerate(FILE_NAMES):
        made.write(name, rows.slice(number, 1))
    made.sync()
    # The others do not find a table whose own directory has such a name.
    for reader in ALL if directory == "plain" else ("deltalake",):
        assert canonical_rows(read("delta", made.directory, reader)) == canonical_rows(rows)


def test_files_elsewhere(tmp_path: Path) -> None:
    rows = pa.table({"id": [1, 2, 3]})
    made = Made(tmp_path / "the data%", schema_of(rows.schema))
    made.write("a b/f%20.parquet", rows)
    made.sync(to=f"file://{tmp_path}/elsewhere")
    assert any("outside" in note for note in made.target(to=f"file://{tmp_path}/elsewhere").check(made.snapshot()))
    for reader in NOT_POLARS:
        assert canonical_rows(read("delta", tmp_path / "elsewhere", reader)) == canonical_rows(rows)


def test_nested_columns_that_are_never_null(tmp_path: Path) -> None:
    inner = pa.struct([pa.field("x", pa.int64(), nullable=False), pa.field("y", pa.string())])
    shape = pa.schema(
        [pa.field("id", pa.int64(), nullable=False), pa.field("s", inner), pa.field("l", pa.list_(inner))]
    )
    rows = pa.Table.from_pylist([{"id": 1, "s": {"x": 1, "y": None}, "l": [{"x": 1, "y": "a"}]}, {"id": 2}], shape)
    made = Made(tmp_path, schema_of(shape))
    made.write("a.parquet", rows)
    made.sync()
    # delta-rs takes the file's word that s.x is never null, also where s is.
    assert_same_rows("delta", tmp_path, rows, ("spark", "duckdb", "polars"))


GENERATED: list[tuple[str, Callable[[int], Any], str]] = [
    ("year", lambda n: -1 + n * 55, "int"),
    ("month", lambda n: -1 + n * 650, "string"),
    ("day", lambda n: dt.date(1969, 12, 31) + dt.timedelta(days=n * 20000), "date"),
    ("hour", lambda n: -1 + n * 480000, "string"),
]


@pytest.mark.parametrize("kind, value, type_", GENERATED)
def test_generated_columns(tmp_path: Path, kind: Any, value: Callable[[int], Any], type_: str) -> None:
    schema = schema_of(pa.schema([("id", pa.int64()), ("ts", pa.timestamp("us", "UTC"))]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "ts", kind=kind))
    made.write("a.parquet", pa.table({"id": [1], "ts": pa.array([AT])}), ts=value(0))
    made.write("b.parquet", pa.table({"id": [2], "ts": pa.array([None], pa.timestamp("us", "UTC"))}), ts=None)
    made.sync(generated_columns=True)
    name = f"xtable_partition_col_{kind.upper()}_ts"
    expected = {"year": 1969, "month": "1969-12", "day": dt.date(1969, 12, 31), "hour": "1969-12-31-23"}[kind]
    for reader in NOT_POLARS:
        found = read("delta", tmp_path, reader)
        assert dict(zip(found["id"].to_pylist(), found[name].to_pylist(), strict=True)) == {1: expected, 2: None}
    by_default = Made(tmp_path / "plain", schema, partition_by=identity(schema, "ts", kind=kind))
    by_default.write("a.parquet", pa.table({"id": [1], "ts": pa.array([AT])}), ts=value(0))
    assert any(kind in note for note in by_default.target().check(by_default.snapshot()))
    by_default.sync()
    assert read("delta", by_default.directory, "duckdb").column_names == ["id", "ts"]


@pytest.mark.parametrize("carried", [True, False])
def test_directories_that_contradict_the_partition(tmp_path: Path, carried: bool) -> None:
    """polars believes the directory: the table is not partitioned where files carry the column, and is else."""
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", pa.string())]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "p"), field_ids="all" if carried else "none")
    expected = pa.table({"id": [1, 2, 3], "p": [None, "a b", "é"]})
    for number, name in enumerate(("null", "a+b", "%C3%A9")):
        rows = expected.slice(number, 1)
        value = expected["p"][number].as_py()
        made.write(f"p={name}/f.parquet", rows if carried else rows.drop_columns(["p"]), p=value)
    made.sync()
    assert list(made.current().handle.state.metadata.partition_columns) == ([] if carried else ["p"])
    assert_same_rows("delta", tmp_path, expected, ALL if carried else NOT_POLARS)


def test_files_of_several_specs(tmp_path: Path) -> None:
    """Only what partitions every file partitions the table."""
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", pa.string()), ("q", pa.int64())]))
    p, q = identity(schema, "p", "q")
    bucket = PartitionField(id=1005, source_id=1, name="id_bucket", transform=Transform("bucket", 4))
    specs = (PartitionSpec(1, (p,)), PartitionSpec(2, (q, p)), PartitionSpec(3, (p, bucket)))
    made = Made(tmp_path, schema, specs=specs, default_spec_id=3)
    for number, spec_id in enumerate((1, 2, 3)):
        rows = pa.table({"id": [number], "p": ["a"], "q": [number]})
        made.write(f"{number}.parquet", rows, spec_id, p="a", q=number, id_bucket=1)
    made.sync()
    assert list(made.current().handle.state.metadata.partition_columns) == ["p"]
    assert_same_rows("delta", tmp_path, made.rows, ALL)


def test_a_default_for_writers(tmp_path: Path) -> None:
    rows = pa.table({"id": pa.array([1], pa.int64()), "v": pa.array(["x"])})
    made = Made(tmp_path, schema_of(rows.schema, v={"write_default": "it's"}))
    made.write("a.parquet", rows)
    made.sync()
    for reader in ALL:
        assert canonical_rows(read("delta", tmp_path, reader)) == canonical_rows(rows)


def test_fixed_and_uuid(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "id": pa.array([1, 2]),
            "fixed": pa.array([b"\x00\xff12", None], pa.binary(4)),
            "u": pa.array([bytes(range(16)), None], pa.uuid()),
        }
    )
    made = Made(tmp_path, schema_of(rows.schema))
    made.write("a.parquet", rows)
    made.sync(uuid_as_binary=True)
    as_bytes = rows.set_column(2, "u", rows["u"].combine_chunks().storage)
    for reader in ALL:
        assert canonical_rows(read("delta", tmp_path, reader)) == canonical_rows(as_bytes)


def test_no_files(tmp_path: Path) -> None:
    made = Made(tmp_path, schema_of(TYPES))
    made.sync()
    assert spark_frame("delta", tmp_path).count() == 0
    for reader in ALL[1:]:
        assert read("delta", tmp_path, reader).num_rows == 0


def test_through_a_checkpoint(tmp_path: Path) -> None:
    """From the tenth version on, readers start at a checkpoint."""
    schema = schema_of(pa.schema([("id", pa.int64()), ("p", pa.string()), ("at", pa.timestamp("us", "UTC"))]))
    made = Made(tmp_path, schema, partition_by=identity(schema, "p"))
    for number in range(12):
        rows = pa.table({"id": [number], "p": [f"p{number % 2}"], "at": pa.array([AT + dt.timedelta(number)])})
        made.write(f"p=p{number % 2}/{number} x.parquet", rows, p=f"p{number % 2}")
        if number == 5:
            made.drop("p=p0/2 x.parquet")
        made.sync()
    log = tmp_path / "_delta_log"
    assert (log / f"{10:020d}.checkpoint.parquet").exists()
    for number in range(11):
        (log / f"{number:020d}.json").unlink()
    assert_same_rows("delta", tmp_path, made.rows, ALL)
