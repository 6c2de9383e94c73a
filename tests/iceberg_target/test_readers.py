"""What is written is read by Spark, DuckDB and pyiceberg: all rows, and the right rows under filters."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from converters.iceberg.target import IcebergTarget, IcebergTargetOptions
from converters.storage import ObjectStorage
from tests.iceberg_target.sources import Source, by_column, sync, typed_rows, typed_schema
from tests.readers.compare import assert_same_rows
from tests.readers.spark import session
from tests.readers.tables import static_table

_PARTITIONED_BY = ("day", "flag", "s", "at", "local", "price", "huge", "raw", "small", "f", "d")


def _source(directory: Path, *partitioned_by: str) -> Source:
    """Five files of twelve rows, or, partitioned, as many as there are rows."""
    schema = typed_schema()
    source = Source(directory=directory, schema=schema, spec=by_column(schema, *partitioned_by))
    if not partitioned_by:
        for start in range(-30, 30, 12):
            source.add(typed_rows(range(start, start + 12)))
        return source
    for number in range(-12, 14):
        row = typed_rows([number])
        source.add(row, tuple(row.column(name)[0].as_py() for name in partitioned_by))
    return source


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("partitioned_by", [(), _PARTITIONED_BY], ids=["unpartitioned", "partitioned"])
def test_readers_see_the_rows(tmp_path: Path, partitioned_by: tuple[str, ...], version: int) -> None:
    source = _source(tmp_path / "t", *partitioned_by)
    sync(source, format_version=version)
    assert_same_rows("iceberg", tmp_path / "t", source.rows())


@pytest.mark.parametrize("partitioned_by", [(), ("day", "s")], ids=["unpartitioned", "partitioned"])
def test_pyiceberg_sees_the_rows(tmp_path: Path, partitioned_by: tuple[str, ...]) -> None:
    source = _source(tmp_path / "t", *partitioned_by)
    sync(source)
    assert_same_rows("iceberg", tmp_path / "t", source.rows(), ("pyiceberg",))
    table = static_table(tmp_path / "t")
    assert table.inspect.entries().num_rows == len(source.files)
    assert table.inspect.files().num_rows == len(source.files)


def test_a_table_without_files_is_empty(tmp_path: Path) -> None:
    source = Source(directory=tmp_path / "t", schema=typed_schema())
    sync(source)
    expected = typed_rows([])
    assert_same_rows("iceberg", tmp_path / "t", expected, ("spark", "duckdb", "pyiceberg"), filters=False)


def test_wide_bounds_do_not_become_answers(tmp_path: Path) -> None:
    """Spark takes minima and maxima from bounds unless it is told not to."""
    source = Source(directory=tmp_path / "t", schema=typed_schema(), exact=False)
    name = source.add(typed_rows(range(1, 20)))
    source.bounds_of[name] = typed_rows(range(-5, 29))
    sync(source)
    assert_same_rows("iceberg", tmp_path / "t", source.rows())


@pytest.mark.parametrize(
    "unknown", [("null_count",), ("lower",), ("nan_count", "upper"), ("null_count", "nan_count", "lower", "upper")]
)
def test_what_is_not_known_misleads_nobody(tmp_path: Path, unknown: tuple[str, ...]) -> None:
    source = _source(tmp_path / "t")
    source.unknown = unknown
    sync(source)
    assert_same_rows("iceberg", tmp_path / "t", source.rows(), ("spark", "duckdb", "pyiceberg"))


def test_row_ids_are_kept(tmp_path: Path) -> None:
    """Version 3: a row keeps its id when files are added and dropped."""
    source = Source(directory=tmp_path / "t", schema=typed_schema())
    names = [source.add(typed_rows(range(start, start + 4))) for start in (0, 4, 8)]
    sync(source, format_version=3)
    before = _row_ids(tmp_path / "t")
    source.drop(names[1])
    source.add(typed_rows(range(20, 25)))
    sync(source, format_version=3)
    after = _row_ids(tmp_path / "t")
    assert {id_: after[id_] for id_ in after if id_ < 12} == {
        id_: row for id_, row in before.items() if id_ not in range(4, 8)
    }
    assert len(set(before.values()) | set(after.values())) == 12 + 5


def _row_ids(table: Path) -> dict[int, tuple[int, int]]:
    frame = session().read.format("iceberg").load(str(table))
    rows = frame.selectExpr("id", "_row_id", "_last_updated_sequence_number").collect()
    return {row[0]: (row[1], row[2]) for row in rows}


def test_spark_can_write_on(tmp_path: Path) -> None:
    """What Java checks when it commits on top of ours is right; and the next sync sees what it did."""
    source = _source(tmp_path / "t", "day", "s")
    sync(source)
    frame = session().read.format("iceberg").load(str(tmp_path / "t"))
    frame.where("id > 5").write.format("iceberg").mode("append").save(str(tmp_path / "t"))
    twice = source.rows().filter(pc.field("id") > 5)
    assert_same_rows("iceberg", tmp_path / "t", pa.concat_tables([source.rows(), twice]), ("spark", "duckdb"))
    current = IcebergTarget.open(ObjectStorage(), f"file://{tmp_path}/t", IcebergTargetOptions()).current()
    assert current is not None
    assert "not made by a sync" in (current.changed or "")
    commit = sync(source)  # as after on-conflict=replace
    assert commit.files_removed > 0
    assert_same_rows("iceberg", tmp_path / "t", source.rows())
