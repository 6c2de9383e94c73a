"""Targets that stand at different versions of the source are each brought up to date by one call."""

from __future__ import annotations

from pathlib import Path

import converters
from tests.histories.past import history
from tests.readers import Format, canonical_rows, read
from tests.tables import append_delta, append_iceberg, delete_delta, read_rows, write_delta, write_iceberg


def _sync(table: Path, *targets: Format, source: Format = "delta", **options: str) -> list[converters.TargetReport]:
    given = {f"sync.{key.replace('_', '-')}": value for key, value in options.items()}
    report = converters.convert(str(table), targets, source_format=source, options=given)
    assert report.ok, report
    return list(report.targets)


def test_targets_at_different_versions_catch_up_in_one_call(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t", partitioned=False)
    _sync(table, "iceberg")
    append_delta(table, 100)
    append_delta(table, 200)
    _sync(table, "hudi")
    delete_delta(table)
    first, second = _sync(table, "iceberg", "hudi")
    assert (first.mode, first.commits, first.source_version_before, first.source_version) == (
        "incremental",
        3,
        "1",
        "4",
    )
    assert (second.mode, second.commits, second.source_version_before) == ("incremental", 1, "3")
    assert [past.source_version for past in history("iceberg", table)] == ["1", "2", "3", "4"]
    assert [past.source_version for past in history("hudi", table)] == ["3", "4"]
    for target in ("iceberg", "hudi"):
        rows = read(target, table, "duckdb" if target == "iceberg" else "spark")
        assert canonical_rows(rows) == read_rows("delta", table)


def test_one_that_is_up_to_date_is_left_alone_while_another_is_made(tmp_path: Path) -> None:
    table = write_iceberg(tmp_path / "t")
    _sync(table, "delta", source="iceberg")
    first, second = _sync(table, "delta", "hudi", source="iceberg")
    assert (first.status, second.status, second.reason) == ("unchanged", "synced", "first sync")


def test_a_backlog_is_worked_off_in_parts(tmp_path: Path) -> None:
    table = write_iceberg(tmp_path / "t")
    _sync(table, "delta", source="iceberg")
    for number in range(5):
        append_iceberg(table, 100 + number, 1)
    behind = []
    for _ in range(3):
        (report,) = _sync(table, "delta", source="iceberg", max_commits="2")
        behind.append((report.commits, report.is_behind))
    assert behind == [(2, True), (2, True), (1, False)]
    assert read_rows("delta", table) == read_rows("iceberg", table)
    (report,) = _sync(table, "delta", source="iceberg", max_commits="2")
    assert report.status == "unchanged"


def test_what_a_caller_asks_for_in_full_is_one_commit(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    _sync(table, "iceberg")
    append_delta(table, 100)
    append_delta(table, 200)
    (report,) = _sync(table, "iceberg", mode="full")
    assert (report.mode, report.reason, report.commits, report.files_removed) == ("full", "asked for", 1, 0)
    assert [past.source_version for past in history("iceberg", table)] == ["1", "3"]
