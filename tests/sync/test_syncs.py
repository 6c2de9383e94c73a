"""The same call again writes nothing; a changed source is followed; a target that is not ours is left alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyiceberg.table import StaticTable

import converters
from converters.errors import (
    AmbiguousTable,
    InvalidOption,
    InvalidRequest,
    SourceTableNotFound,
    UnknownFormat,
)
from tests.readers.tables import metadata_file
from tests.sync.conftest import Direction
from tests.tables import append_delta, read_rows, sample, write_delta, write_iceberg


def _tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_the_target_has_the_sources_rows_and_the_same_call_again_writes_nothing(
    direction: Direction, tmp_path: Path
) -> None:
    table = direction.write(tmp_path / "t")
    first = converters.convert(str(table), [direction.target], source_format=direction.source)
    assert [(each.status, each.commits) for each in first.targets] == [("synced", 1)]
    assert direction.target_rows(table) == direction.source_rows(table)
    before = _tree(table)
    second = converters.convert(str(table), [direction.target], source_format=direction.source)
    assert [(each.status, each.commits) for each in second.targets] == [("unchanged", 0)]
    assert _tree(table) == before
    assert second.targets[0].metadata_path == first.targets[0].metadata_path
    assert second.targets[0].schema == first.targets[0].schema


def test_a_changed_source_is_followed(direction: Direction, tmp_path: Path) -> None:
    table = direction.write(tmp_path / "t")
    converters.convert(str(table), [direction.target], source_format=direction.source)
    for _ in range(3):
        direction.change(table)
        report = converters.convert(str(table), [direction.target], source_format=direction.source)
        assert report.targets[0].status == "synced"
        assert report.targets[0].reason == "the source has changed"
        assert direction.target_rows(table) == direction.source_rows(table)


def test_data_files_are_never_touched(direction: Direction, tmp_path: Path) -> None:
    table = direction.write(tmp_path / "t")
    before = _tree(table)
    converters.convert(str(table), [direction.target], source_format=direction.source)
    after = _tree(table)
    assert {name: after.get(name) for name in before} == before


def test_two_at_once_make_one_commit_and_both_are_right(direction: Direction, tmp_path: Path) -> None:
    table = direction.write(tmp_path / "t")
    for _ in range(3):
        start = threading.Barrier(4)

        def one(start: threading.Barrier = start) -> converters.ConversionReport:
            start.wait()
            return converters.convert(str(table), [direction.target], source_format=direction.source)

        with ThreadPoolExecutor(4) as pool:
            reports = [each.result() for each in [pool.submit(one) for _ in range(4)]]
        assert sorted(report.targets[0].status for report in reports) == ["synced", *["unchanged"] * 3]
        assert len({report.targets[0].metadata_path for report in reports}) == 1
        assert direction.target_rows(table) == direction.source_rows(table)
        direction.change(table)


def test_targets_written_by_others_are_refused_and_replaced_on_request(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    converters.convert(str(table), ["iceberg"])
    # Another directory's target, then a second source that would land on it.
    other = write_delta(tmp_path / "u", partitioned=False)
    (table / "_delta_log").rename(tmp_path / "log-of-t")
    converters.convert(str(table), ["delta"], source_format="iceberg")
    DeltaTable(table).delete("id = 7")
    refused = converters.convert(str(table), ["delta"], source_format="iceberg")
    assert refused.targets[0].error is not None
    assert refused.targets[0].error.type == "TargetChanged"
    rows = read_rows("iceberg", table)
    assert read_rows("delta", table) != rows
    replaced = converters.convert(
        str(table), ["delta"], source_format="iceberg", options={"sync.on-conflict": "replace"}
    )
    assert replaced.ok
    assert read_rows("delta", table) == rows
    foreign = converters.convert(str(table), ["delta"], source_format="iceberg", target_path=str(other))
    assert foreign.targets[0].error is not None
    assert foreign.targets[0].error.type == "ForeignTarget"
    assert read_rows("delta", other) == sorted(read_rows("delta", other))


def test_a_table_made_anew_under_the_same_path_is_followed(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    converters.convert(str(table), ["iceberg"])
    for path in (table / "_delta_log").iterdir():
        path.unlink()
    write_delta(table, partitioned=False)
    assert converters.convert(str(table), ["iceberg"], source_format="delta").targets[0].status == "synced"
    assert read_rows("iceberg", table) == read_rows("delta", table)


def test_foreign_properties_of_the_target_stay(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    converters.convert(str(table), ["iceberg"])
    (table / "_delta_log").rename(tmp_path / "log")
    converters.convert(str(table), ["delta"], source_format="iceberg")
    DeltaTable(table).alter.set_table_properties({"delta.checkpointInterval": "7"})
    report = converters.convert(
        str(table), ["delta"], source_format="iceberg", options={"sync.on-conflict": "replace"}, table_name="renamed"
    )
    assert report.ok
    metadata = DeltaTable(table).metadata()
    assert metadata.configuration["delta.checkpointInterval"] == "7"
    assert metadata.name == "renamed"


@pytest.mark.parametrize(
    "path,kwargs,error",
    [
        ("nothing", {}, SourceTableNotFound),
        ("empty", {}, SourceTableNotFound),
        ("file", {}, SourceTableNotFound),
        ("t", {"source_format": "iceberg", "targets": ["delta"]}, SourceTableNotFound),
        ("t", {"source_format": "paimon"}, UnknownFormat),
        ("t", {"targets": ["paimon"]}, UnknownFormat),
        ("t", {"targets": ["DELTA"]}, InvalidRequest),
        ("t", {"targets": []}, InvalidRequest),
        ("t", {"options": {"colour": "red"}}, InvalidOption),
        ("t", {"options": {"iceberg.target.colour": "red"}}, InvalidOption),
        ("t", {"options": {"sync.on-conflict": "fight"}}, InvalidOption),
    ],
)
def test_requests_that_make_no_sense_leave_nothing_behind(
    tmp_path: Path, path: str, kwargs: dict[str, object], error: type[Exception]
) -> None:
    write_delta(tmp_path / "t")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    before = _tree(tmp_path)
    arguments: dict[str, object] = {"targets": ["iceberg"], **kwargs}
    with pytest.raises(error):
        converters.convert(str(tmp_path / path), **arguments)  # type: ignore[arg-type]
    assert _tree(tmp_path) == before


def test_what_a_conversion_wrote_is_not_taken_for_the_source(direction: Direction, tmp_path: Path) -> None:
    table = direction.write(tmp_path / "t")
    converters.convert(str(table), [direction.target])
    assert converters.inspect(str(table)).format == direction.source.upper()
    direction.change(table)
    assert converters.convert(str(table), [direction.target]).targets[0].status == "synced"
    assert direction.target_rows(table) == direction.source_rows(table)


def test_two_tables_of_others_at_one_path_have_to_be_told_apart(tmp_path: Path) -> None:
    table = write_iceberg(write_delta(tmp_path / "t"))
    with pytest.raises(AmbiguousTable, match="DELTA, ICEBERG"):
        converters.inspect(str(table))


def test_a_read_only_target_is_an_error_of_that_target(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    report = converters.convert(str(table), ["iceberg"], target_path="/proc/tablecast")
    assert report.targets[0].status == "failed"
    assert report.targets[0].error is not None
    assert report.targets[0].error.type in {"AccessDenied", "StorageError", "ObjectNotFound"}


def test_progress_is_told(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t")
    seen: list[converters.Progress] = []
    converters.convert(str(table), ["iceberg"], on_progress=seen.append)
    assert seen
    assert seen[-1].files_done == len(DeltaTable(table).file_uris())


def test_an_unpartitioned_table_and_one_without_rows(tmp_path: Path) -> None:
    table = write_delta(tmp_path / "t", partitioned=False)
    DeltaTable(table).delete()
    converters.convert(str(table), ["iceberg"])
    assert StaticTable.from_metadata(metadata_file(table)).scan().to_arrow().num_rows == 0
    append_delta(table)
    converters.convert(str(table), ["iceberg"], source_format="delta")
    assert len(read_rows("iceberg", table)) == 5


def test_inspect_writes_nothing_and_says_what_is_there(direction: Direction, tmp_path: Path) -> None:
    table = direction.write(tmp_path / "t")
    before = _tree(table)
    description = converters.inspect(str(table))
    assert _tree(table) == before
    assert description.format == direction.source.upper()
    assert description.rows == 30
    assert description.files
    assert [column.name for column in description.columns] == sample(0, 1).column_names
    others = sorted({"DELTA", "HUDI", "ICEBERG"} - {description.format})
    assert [(each.format, each.error) for each in description.convertible] == [(name, None) for name in others]
