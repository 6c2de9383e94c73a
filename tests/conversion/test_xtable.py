"""What Java XTable wrote is read, and continued."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import converters
from tests.conversion.outcomes import others
from tests.corpus.xtable import XTABLE_TABLES, xtable_table
from tests.readers import Format, assert_same_rows, canonical_rows, read

FOLDERS: dict[Format, str] = {"delta": "_delta_log", "iceberg": "metadata", "hudi": ".hoodie"}


def _tables(*sources: Format) -> list[str]:
    return [name for name, source in XTABLE_TABLES.items() if source in sources]


def _instants(table: Path) -> list[str]:
    return sorted(file.name.split(".")[0] for file in (table / ".hoodie").glob("*commit"))


@pytest.mark.parametrize("name", _tables("delta", "iceberg"))
def test_a_hudi_table_of_xtable_is_a_source(name: str, tmp_path: Path) -> None:
    table = xtable_table(name, tmp_path)
    expected = read(XTABLE_TABLES[name], table, "duckdb")
    for target in others("hudi"):
        shutil.rmtree(table / FOLDERS[target])
    report = converters.convert(str(table), list(others("hudi")), source_format="hudi")
    assert [target.error for target in report.targets] == [None, None]
    for target in others("hudi"):
        assert_same_rows(target, table, expected, ("spark", "duckdb"))


@pytest.mark.parametrize("name", _tables("delta"))
def test_a_hudi_table_of_xtable_goes_on(name: str, tmp_path: Path) -> None:
    """Files come and go, and what XTable committed is still there to travel to."""
    table = xtable_table(name, tmp_path)
    earlier = {instant: canonical_rows(read("hudi", table, "spark", version=instant)) for instant in _instants(table)}
    rows = read("delta", table, "deltalake")
    write_deltalake(table, rows.slice(0, 3), mode="append")
    added = converters.convert(str(table), ["hudi"], source_format="delta").targets[0]
    assert (added.error, added.files_added, added.files_removed) == (None, 1, 0)
    assert_same_rows("hudi", table, pa.concat_tables([rows, rows.slice(0, 3)]), ("spark",))
    DeltaTable(table).delete("true")
    write_deltalake(table, rows.slice(0, 7), mode="append")
    removed = converters.convert(str(table), ["hudi"], source_format="delta").targets[0]
    assert (removed.error, removed.files_added) == (None, 1)
    assert_same_rows("hudi", table, rows.slice(0, 7), ("spark",))
    assert_same_rows("hudi", table, rows.slice(0, 7), ("spark-hudi-1.0.2", "spark-hudi-0.15.0"), filters=False)
    for instant, before in earlier.items():
        assert canonical_rows(read("hudi", table, "spark", version=instant)) == before


@pytest.mark.parametrize("name", _tables("hudi"))
def test_what_xtable_made_of_a_hudi_table_goes_on(name: str, tmp_path: Path) -> None:
    table = xtable_table(name, tmp_path)
    expected = read("hudi", table, "spark")
    for _ in range(2):
        report = converters.convert(str(table), list(others("hudi")), source_format="hudi")
        assert [target.error for target in report.targets] == [None, None]
    assert [target.status for target in report.targets] == ["unchanged", "unchanged"]
    for target in others("hudi"):
        assert_same_rows(target, table, expected, ("spark", "duckdb"))
