"""Files may hold columns in narrower types than the table has now; in other types they are refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from converters.errors import UnsupportedTableFeature
from tests.hudi_source.made import HudiTable
from tests.hudi_source.tables import opened


def _decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def _changed(path: Path, before: pa.Array, now: Any) -> HudiTable:
    """A table whose one column was of another type when its first file was written."""
    table = HudiTable(path / "t", schema={"c": now})
    table.write("", pa.table({"c": before}))
    table.commit()
    return table


@pytest.mark.parametrize(
    "before,now,former",
    [
        (pa.array([1], pa.int32()), "long", "int"),
        (pa.array([Decimal("1.5")], pa.decimal128(5, 1)), _decimal(9, 1), "decimal(5,1)"),
        (pa.array([1], pa.int64()), "long", None),
        (pa.array(["a"]), "string", None),
        (pa.array([b"a"]), "string", None),
        (pa.array([b"a"]), "bytes", None),
        (
            pa.array([0], pa.int64()).cast(pa.timestamp("ms", "UTC")),
            {"type": "long", "logicalType": "timestamp-micros"},
            None,
        ),
    ],
    ids=str,
)
def test_narrower_types_are_told(before: pa.Array, now: Any, former: str | None, tmp_path: Path) -> None:
    table = _changed(tmp_path, before, now)
    assert list(opened(table.path).snapshot().table.promotions.values()) == ([] if former is None else [former])


@pytest.mark.parametrize(
    "before,now,stored",
    [
        (pa.array([1], pa.int32()), "double", "INT32"),
        (pa.array([1], pa.int32()), "string", "INT32"),
        (pa.array([1.5], pa.float64()), "float", "DOUBLE"),
        (pa.array(["a"]), "bytes", "string"),
        (pa.array([1], pa.int64()), {"type": "long", "logicalType": "timestamp-micros"}, "INT64"),
        (pa.array([1], pa.int64()), "int", "INT64"),
        (pa.array([Decimal("1.50")], pa.decimal128(5, 2)), _decimal(9, 1), "decimal(5,2)"),
    ],
    ids=str,
)
def test_other_types_are_refused_by_name(before: pa.Array, now: Any, stored: str, tmp_path: Path) -> None:
    table = _changed(tmp_path, before, now)
    with pytest.raises(UnsupportedTableFeature, match=r"column 'c' is a .* holds it as") as refused:
        opened(table.path).snapshot()
    assert stored in refused.value.message
    assert ".parquet" in refused.value.message


def test_floats_that_became_doubles_are_refused_as_hudi_reads_other_values(tmp_path: Path) -> None:
    # Of the float 7.1 Hudi's readers make the double 7.1, all others 7.099999904632568.
    table = _changed(tmp_path, pa.array([7.1], pa.float32()), "double")
    with pytest.raises(UnsupportedTableFeature, match=r"column 'c' is a double now.*FLOAT.*7\.099999904632568"):
        opened(table.path).snapshot()


def test_members_of_lists_and_maps_are_looked_at_too(tmp_path: Path) -> None:
    rows = pa.array([[1]], pa.list_(pa.int32()))
    table = _changed(tmp_path, rows, {"type": "array", "items": "double"})
    with pytest.raises(UnsupportedTableFeature, match=r"column 'c\.element'"):
        opened(table.path).snapshot()


def test_columns_that_files_have_beside_the_schema_are_told(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", schema={"c": "long"})
    table.write("", pa.table({"_hoodie_commit_time": ["1"], "dropped": [1], "c": [2]}))
    table.commit()
    assert opened(table.path).snapshot().table.other_columns == ("_hoodie_commit_time", "dropped")


def test_lists_in_the_old_form_are_told(corpus: Any) -> None:
    source = opened(corpus.path("hudi/nested"))
    table = source.snapshot().table
    names = [table.schema.by_id[id_].dotted for id_ in table.two_level_lists]
    assert names == ["st", "arr", "los", "aoa"]
    assert all(path.endswith(".parquet") for path in table.two_level_lists.values())
    (note,) = source.notes()
    assert "two-level form ('st', 'arr', 'los', 'aoa')" in note
    assert "DuckDB" in note


def test_lists_in_the_present_form_are_not(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", schema={"c": {"type": "array", "items": "long"}})
    table.write("", pa.table({"c": [[1], []]}))
    table.commit()
    assert opened(table.path).snapshot().table.two_level_lists == {}
