"""What Hudi cannot carry is refused by name before anything is written; what its readers widen is carried."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import CorruptTable, InvalidOption, UnsupportedTableFeature
from converters.hudi.target import HudiTargetOptions
from converters.model import Field, Schema
from converters.model.types import PRIMITIVE_KINDS
from converters.registry import parse_options
from tests.hudi_target.made import SPARKS, HudiMade, schema_of
from tests.readers import hudi

LONG = PRIMITIVE_KINDS["long"]


@pytest.mark.parametrize(
    "fields,said",
    [
        ([Field(id=1, name="a-b", type=LONG)], "'a-b' is not legal in Hudi"),
        ([Field(id=1, name="a", type=LONG), Field(id=2, name="A", type=LONG)], "differ in case only"),
        ([Field(id=1, name="_hoodie_record_key", type=PRIMITIVE_KINDS["string"])], "Hudi's own columns"),
        ([Field(id=1, name="u", type=PRIMITIVE_KINDS["uuid"])], "'u' is of the type uuid"),
        ([Field(id=1, name="t", type=PRIMITIVE_KINDS["time"])], "'t' is of the type time"),
        ([Field(id=1, name="n", type=PRIMITIVE_KINDS["timestamp_ns"])], "'n' is of the type timestamp_ns"),
    ],
    ids=lambda each: "" if isinstance(each, list) else each[:24],
)
def test_columns_that_hudi_cannot_have(tmp_path: Path, fields: list[Field], said: str) -> None:
    table = HudiMade(tmp_path, Schema(tuple(fields)))
    with pytest.raises(UnsupportedTableFeature, match=said):
        table.target().check(table.snapshot())
    assert not (tmp_path / ".hoodie").exists()


def _refused(table: HudiMade, said: str, **changes: Any) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            for name, values in changes.items():
                place = batch.schema.get_field_index(name)
                batch = batch.set_column(place, batch.schema.field(place), values)  # noqa: PLW2901
            yield batch

    with pytest.raises((UnsupportedTableFeature, CorruptTable), match=said):
        table.target().replace(table.snapshot(), batches(), table.state(), None)
    assert not (table.directory / ".hoodie").exists()


def test_files_that_hudi_cannot_have(tmp_path: Path) -> None:
    rows = pa.table({"id": [1]})
    table = HudiMade(tmp_path, schema_of(rows.schema))
    table.write("a.parquet", rows)
    _refused(table, r"a\.parquet' is in the format ORC", file_format=pa.array(["ORC"]))
    _refused(table, r"row count of the data file '.*a\.parquet' is not known", row_count=pa.nulls(1, pa.int64()))
    table.write("b.parquet", rows)
    twice = f"{table.location}/a.parquet"
    _refused(table, r"'a\.parquet' more than once", path=pa.array([twice, twice]))


def test_a_column_that_files_call_otherwise(tmp_path: Path) -> None:
    rows = pa.table({"col-7": [1]})
    schema = Schema((Field(id=1, name="id", type=LONG, physical_name="col-7"),))
    table = HudiMade(tmp_path, schema, field_ids="none")
    table.write("a.parquet", rows)
    _refused(table, "'id' is called 'col-7' in the data files")


def test_a_default_that_files_lack(tmp_path: Path) -> None:
    rows = pa.table({"id": [1]})
    schema = Schema((Field(id=1, name="id", type=LONG), Field(id=2, name="v", type=LONG, initial_default=5)))
    table = HudiMade(tmp_path, schema, field_ids="none")
    table.write("a.parquet", rows)
    _refused(table, "'v' has an initial default")


@pytest.mark.parametrize(
    "old,new,values",
    [
        (pa.int32(), pa.int64(), [1, -2]),
        (pa.int32(), pa.float64(), [1, -2]),
        (pa.decimal128(5, 2), pa.decimal128(9, 2), [Decimal("1.25"), None]),
        (pa.decimal128(9, 2), pa.decimal128(12, 2), [Decimal("1.25"), Decimal("-2.50")]),
        (pa.decimal128(18, 2), pa.decimal128(30, 2), [Decimal("1.25"), Decimal("-2.50")]),
    ],
    ids=str,
)
def test_narrower_files_are_read_as_the_wider_type(
    tmp_path: Path, old: pa.DataType, new: pa.DataType, values: list[Any]
) -> None:
    rows = pa.table({"id": [1, 2], "v": pa.array(values, old)})
    wide = rows.set_column(1, "v", rows["v"].cast(new))
    table = HudiMade(tmp_path, schema_of(wide.schema), promotions={2: "narrower"})
    table.write("a.parquet", wide)
    pq.write_table(rows, tmp_path / "a.parquet", store_decimal_as_integer=True)
    table.sync()
    for reader in SPARKS:
        assert hudi.query(reader, tmp_path, "SELECT * FROM t ORDER BY id").rows.to_pylist() == wide.to_pylist(), reader


def test_dates_that_became_timestamps_are_refused(tmp_path: Path) -> None:
    rows = pa.table({"id": [1], "v": [dt.date(2024, 1, 1)]})
    wide = rows.set_column(1, "v", rows["v"].cast(pa.timestamp("us", "UTC")))
    table = HudiMade(tmp_path, schema_of(wide.schema), promotions={2: "date"}, field_ids="none")
    table.write("a.parquet", wide)
    pq.write_table(rows, tmp_path / "a.parquet")
    _refused(table, "'v' is a timestamptz now")


def test_floats_that_became_doubles_are_refused(tmp_path: Path) -> None:
    rows = pa.table({"id": [1], "v": pa.array([7.1], pa.float32())})
    wide = rows.set_column(1, "v", rows["v"].cast(pa.float64()))
    table = HudiMade(tmp_path, schema_of(wide.schema), promotions={2: "float"}, field_ids="none")
    table.write("a.parquet", wide)
    pq.write_table(rows, tmp_path / "a.parquet")
    _refused(table, "'v' is a double now")  # Hudi would read 7.1, others 7.099999904632568


def test_options_are_checked() -> None:
    for given in ({"table-version": "7"}, {"retention-hours": "-1"}, {"column-stats-columns": "0"}, {"colour": "red"}):
        with pytest.raises(InvalidOption):
            parse_options(
                HudiTargetOptions, {f"hudi.target.{key}": value for key, value in given.items()}, "hudi.target."
            )
    assert msgspec.structs.asdict(HudiTargetOptions())["table_version"] == 6
