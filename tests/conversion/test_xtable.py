"""What Java XTable wrote is read, and continued."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import converters
from converters.sync.state import format_instant
from tests.conversion.outcomes import others
from tests.corpus.xtable import XTABLE_TABLES, xtable_table
from tests.histories.past import Past, history, state_of
from tests.readers import Format, assert_same_rows, canonical_rows, metadata_of, read
from tests.tables import append_delta, read_rows, write_delta

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


@pytest.mark.parametrize("name", _tables("delta"))
def test_an_iceberg_table_of_xtable_goes_on(name: str, tmp_path: Path) -> None:
    """First all is compared, as XTable leaves rows out in places; then each commit is followed by one."""
    table = xtable_table(name, tmp_path)
    earlier = {past.version: canonical_rows(_iceberg(table, past)) for past in history("iceberg", table)}
    rows = read("delta", table, "deltalake")
    compared = converters.convert(str(table), ["iceberg"], source_format="delta").targets[0]
    assert (compared.mode, compared.reason) == ("full", "the last sync was another tool's")
    assert (compared.error, compared.files_added, compared.files_removed) == (None, 0, 0)
    for _ in range(2):
        write_deltalake(table, rows.slice(0, 3), mode="append")
    followed = converters.convert(str(table), ["iceberg"], source_format="delta").targets[0]
    assert (followed.mode, followed.commits, followed.error) == ("incremental", 2, None)
    expected = pa.concat_tables([rows, *[rows.slice(0, 3)] * 2])
    assert canonical_rows(read("iceberg", table, "duckdb")) == canonical_rows(expected)
    past = history("iceberg", table)
    assert len({each.source_version for each in past}) == len(earlier) + 2
    for each in past[: len(earlier)]:
        assert canonical_rows(_iceberg(table, each)) == earlier[each.version]


def _iceberg(table: Path, past: Past) -> pa.Table:
    return read("iceberg", table, "duckdb", version=past.version)


@pytest.mark.parametrize("target", others("delta"))
def test_what_we_write_is_the_state_that_java_expects(target: Format, tmp_path: Path) -> None:
    """Its reader fails on members that it does not know."""
    table = xtable_table("delta_unpart", tmp_path)
    by_java = history(target, table)[-1]
    write_deltalake(table, read("delta", table, "deltalake").slice(0, 3), mode="append")
    assert converters.convert(str(table), [target], source_format="delta").ok
    version = DeltaTable(table).version()
    by_us = history(target, table)[-1]
    assert list(by_us.state) == list(by_java.state)
    modified_at = (table / "_delta_log" / f"{version:020}.json").stat().st_mtime_ns // 10**6
    assert by_us.text == by_java.text.replace(by_java.state["lastInstantSynced"], format_instant(modified_at)).replace(
        f'"{by_java.source_version}"', f'"{version}"'
    )
    assert state_of(target, table) == by_us.state


@pytest.mark.parametrize("source_has_changed", [True, False])
def test_an_iceberg_table_whose_last_manifest_lists_are_gone_is_mended(
    tmp_path: Path, *, source_has_changed: bool
) -> None:
    table = write_delta(tmp_path / "t")
    for first in (100, 200, 300):
        converters.convert(str(table), ["iceberg"], source_format="delta")
        append_delta(table, first)
    if not source_has_changed:
        converters.convert(str(table), ["iceberg"], source_format="delta")
    for snapshot in metadata_of(table)["snapshots"][-2:]:
        Path(snapshot["manifest-list"].removeprefix("file://")).unlink()
    report = converters.convert(str(table), ["iceberg"], source_format="delta").targets[0]
    assert (report.error, report.mode) == (None, "full")
    assert "is gone" in str(report.reason)
    assert read_rows("iceberg", table) == read_rows("delta", table)
    append_delta(table, 400)
    assert converters.convert(str(table), ["iceberg"], source_format="delta").targets[0].mode == "incremental"
    assert read_rows("iceberg", table) == read_rows("delta", table)


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
