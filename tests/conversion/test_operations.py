"""What one does to a table, in Spark's SQL, each followed by a sync to both other formats."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

import converters
from tests.conversion.outcomes import FORMATS, others
from tests.histories.past import history
from tests.readers import Format, Reader, assert_same_rows, canonical_rows, read
from tests.readers import spark as spark_reader

_ROWS = "id, concat('name ', id), id / 7D, timestamp_micros(id * 1000001), element_at(array('a', 'b', 'c'), {p})"
# Two partitions at first, and one that comes, goes and comes again.
_SOME = _ROWS.format(p="cast(id % 2 AS INT) + 1")
_THIRD = _ROWS.format(p="3")
OPERATIONS = (
    ("insert", "INSERT INTO {t} SELECT " + _SOME + " FROM range(0, 20)"),
    ("insert more", "INSERT INTO {t} SELECT " + _SOME + " FROM range(20, 40)"),
    ("update", "UPDATE {t} SET name = 'updated' WHERE id % 5 = 0"),
    ("delete", "DELETE FROM {t} WHERE id < 4"),
    (
        "merge",
        (
            "MERGE INTO {t} t USING (SELECT id, 'merged' AS name, 1D AS x, timestamp_micros(id) AS at, 'a' AS p "
            "FROM range(35, 45)) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET t.name = s.name WHEN NOT MATCHED THEN INSERT *"
        ),
    ),
    ("add columns", "ALTER TABLE {t} ADD COLUMNS (extra STRING, size BIGINT)"),
    ("use them", "INSERT INTO {t} {columns} SELECT " + _SOME + ", 'extra', id FROM range(50, 60)"),
    ("delete some more", "DELETE FROM {t} WHERE id % 7 = 1"),
    ("a new partition", "INSERT INTO {t} {columns} SELECT " + _THIRD + ", NULL, NULL FROM range(60, 70)"),
    ("drop it", "DELETE FROM {t} WHERE p = 'c'"),
    ("and again", "INSERT INTO {t} {columns} SELECT " + _THIRD + ", 'again', 1 FROM range(70, 80)"),
)
_COLUMNS = "(id BIGINT, name STRING, x DOUBLE, at TIMESTAMP, p STRING)"


@pytest.mark.parametrize("partitioned,mode", [(True, "incremental"), (False, "full")])
@pytest.mark.parametrize("source", FORMATS)
def test_operations(source: Format, partitioned: bool, mode: str, tmp_path: Path) -> None:
    session = spark_reader.session()
    name = f"t{uuid.uuid4().hex}"
    location = str(tmp_path / "t")
    table, rest = name, f"LOCATION '{location}' TBLPROPERTIES (primaryKey = 'id')"
    if source == "iceberg":
        location = f"{session.conf.get('spark.sql.catalog.ice.warehouse')}/operations/{name}"
        table, rest = f"ice.operations.{name}", ""
    elif source == "delta":
        table, rest = f"delta.`{location}`", ""
    by = "PARTITIONED BY (p)" if partitioned else ""
    session.sql(f"CREATE TABLE {table} {_COLUMNS} USING {source} {by} {rest}")
    for operation, text in OPERATIONS:
        columns = "(id, name, x, at, p, extra, size)"
        session.sql(text.replace("{t}", table).replace("{columns}", columns))
        _sync_and_compare(source, location, operation, mode)
    expected = read(source, location, "spark")
    for target in others(source):
        readers: tuple[Reader, ...] = ("spark",) if target == "hudi" else ("duckdb",)
        assert_same_rows(target, _place(source, target, location), expected, readers)


def _place(source: Format, target: Format, location: str) -> str:
    return f"{location}/data" if (source, target) == ("iceberg", "hudi") else location


def _sync_and_compare(source: Format, location: str, operation: str, mode: str) -> None:
    options = {"sync.mode": mode}
    report = converters.convert(location, others(source), source_format=source, options=options)
    assert report.ok, (operation, report.targets)
    expected = canonical_rows(read(source, location, "spark"))
    for target in others(source):
        place = _place(source, target, location)
        reader: Reader = "spark" if target == "hudi" else "duckdb"
        assert canonical_rows(read(target, place, reader)) == expected, (operation, target)
        assert history(target, place)[-1].source_version
