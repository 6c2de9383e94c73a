"""What was converted is found equal, in each direction and by each way to compare; a target may be behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyiceberg.types import LongType

import converters
from converters.errors import InvalidOption, InvalidRequest, SourceTableNotFound, UnknownFormat
from tests.corpus import Corpus
from tests.tables import append_delta, append_iceberg, catalog_table, write_delta, write_iceberg
from tests.verify.broken import Action, check_of, edit_adds, edit_log, verified

CASES = [
    ("delta/part_string", "iceberg"),
    ("delta/nested", "hudi"),
    ("iceberg/part_date", "delta"),
    ("iceberg/types_extremes", "hudi"),
    ("delta/dml_dv", "iceberg"),
    ("iceberg/mor_posdel_v2", "delta"),
    ("hudi/drop_part_cols", "delta"),
    ("hudi/evolve", "iceberg"),
]


@pytest.mark.parametrize("name,target", CASES)
def test_real_tables_by_rows_too(corpus: Corpus, tmp_path: Path, name: str, target: str) -> None:
    table, source = corpus.copy(name, tmp_path), name.partition("/")[0]
    assert converters.convert(str(table), [target], source_format=source).ok
    found = verified(table, target, source_format=source, mode="rows")
    assert (found.result, found.error) == ("equal", None), found.checks
    rows = check_of(found, "rows")
    assert f"{corpus.rows(name).num_rows} rows" in rows.detail
    assert {"delta": "delta_scan", "iceberg": "iceberg_scan", "hudi": "read_parquet"}[target] in rows.detail


def test_deletes_that_were_written_in_another_form(corpus: Corpus, tmp_path: Path) -> None:
    """Deletion vectors of Delta Lake as position deletes of Iceberg's version 2."""
    table = corpus.copy("delta/dml_dv", tmp_path)
    options = {"iceberg.target.format-version": "2"}
    assert converters.convert(str(table), ["iceberg"], source_format="delta", options=options).ok
    found = verified(table, "iceberg", source_format="delta", options=options, mode="rows")
    assert (found.result, found.error) == ("equal", None), found.checks
    assert "positions of 1 compared" in check_of(found, "deletes").detail


def test_several_targets_at_once(tmp_path: Path) -> None:
    table = write_delta(tmp_path, partitioned=False)
    assert converters.convert(str(table), ["iceberg", "hudi"]).ok
    report = converters.verify(str(table), ["iceberg", "hudi"], source_format="delta", mode="rows")
    assert report.ok
    assert [(each.format, each.result) for each in report.targets] == [("ICEBERG", "equal"), ("HUDI", "equal")]
    assert report.source.version == "1"


def test_a_verification_writes_nothing(tmp_path: Path) -> None:
    table = write_delta(tmp_path)
    converters.convert(str(table), ["iceberg"])
    before = {path: path.stat().st_mtime_ns for path in table.rglob("*")}
    verified(table, "iceberg", source_format="delta", mode="rows")
    assert {path: path.stat().st_mtime_ns for path in table.rglob("*")} == before


@pytest.mark.parametrize("mode", ["metadata", "rows"])
@pytest.mark.parametrize("source,target", [("delta", "iceberg"), ("iceberg", "delta")])
def test_a_target_that_is_behind_is_compared_with_what_the_source_was(
    tmp_path: Path, source: str, target: str, mode: str
) -> None:
    write, append = {"delta": (write_delta, append_delta), "iceberg": (write_iceberg, append_iceberg)}[source]
    table = write(tmp_path)
    converters.convert(str(table), [target], source_format=source)
    was = converters.inspect(str(table), source_format=source).version
    append(table)
    found = verified(table, target, source_format=source, mode=mode)
    assert (found.result, found.ok, found.source_version) == ("behind", True, was)
    assert f"the source's version {was}; the newest is" in check_of(found, "state").detail


@pytest.mark.parametrize("mode", ["metadata", "rows"])
def test_a_target_from_before_the_schema_changed_is_behind(tmp_path: Path, mode: str) -> None:
    """Iceberg's schema changes without a new snapshot."""
    table = write_iceberg(tmp_path)
    converters.convert(str(table), ["delta"])
    with catalog_table(table).update_schema() as update:
        update.add_column("more", LongType())
    found = verified(table, "delta", source_format="iceberg", mode=mode)
    assert (found.result, found.error) == ("behind", None), found.checks
    converters.convert(str(table), ["delta"], source_format="iceberg")
    assert verified(table, "delta", source_format="iceberg", mode=mode).result == "equal"


def test_a_target_that_is_behind_and_wrong_is_wrong(tmp_path: Path) -> None:
    table = write_iceberg(tmp_path)
    converters.convert(str(table), ["delta"])
    append_iceberg(table)
    edit_adds(table, lambda add: add["stats"].update(numRecords=7))
    found = verified(table, "delta", source_format="iceberg")
    assert (found.result, check_of(found, "row-counts").result) == ("differs", "differs")


def test_a_target_whose_source_version_is_gone_is_not_called_right(tmp_path: Path) -> None:
    table = write_delta(tmp_path)
    converters.convert(str(table), ["iceberg"])
    append_delta(table)
    DeltaTable(table).create_checkpoint()
    for version in range(2):
        (table / "_delta_log" / f"{version:020}.json").unlink()
    found = verified(table, "iceberg", source_format="delta")
    assert (found.result, found.ok, found.source_version) == ("unverified", False, None)
    assert "version 1 cannot be read" in check_of(found, "files").detail


def test_rows_are_missed(tmp_path: Path) -> None:
    table = write_iceberg(tmp_path)
    converters.convert(str(table), ["delta"])
    gone: list[Action] = []

    def first_gone(action: Action) -> Iterator[Action]:
        if "add" in action and not gone:
            gone.append(action)
        else:
            yield action

    edit_log(table, first_gone)
    rows = check_of(verified(table, "delta", source_format="iceberg", mode="rows"), "rows")
    assert rows.result == "differs"
    assert "30 rows" in rows.examples[0]
    assert "30 rows" not in rows.examples[1]


def test_values_are_not_the_same(corpus: Corpus, tmp_path: Path) -> None:
    """As many rows, but a partition column of another value."""
    table = corpus.copy("hudi/drop_part_cols", tmp_path)
    assert converters.convert(str(table), ["delta"], source_format="hudi").ok

    def other(add: Action) -> None:
        column = next(iter(add["partitionValues"]))
        add["partitionValues"][column] = "elsewhere"

    edit_adds(table, other)
    found = verified(table, "delta", source_format="hudi", mode="rows")
    assert check_of(found, "partitions").result == "differs"
    assert check_of(found, "rows").result == "differs"


@pytest.mark.parametrize(
    "arguments,error",
    [
        ({"targets": []}, InvalidRequest),
        ({"targets": ["delta"]}, InvalidRequest),
        ({"targets": ["paradox"]}, UnknownFormat),
        ({"mode": "everything"}, InvalidRequest),
        ({"options": {"iceberg.source.ref": "x"}}, InvalidOption),
        ({"source": "/nothing/here"}, SourceTableNotFound),
    ],
    ids=str,
)
def test_calls_that_make_no_sense(tmp_path: Path, arguments: dict[str, object], error: type[Exception]) -> None:
    table = write_delta(tmp_path)
    given: dict[str, object] = {"source": str(table), "targets": ["iceberg"], "source_format": "delta", **arguments}
    with pytest.raises(error):
        converters.verify(given.pop("source"), given.pop("targets"), **given)  # type: ignore[arg-type]


def test_without_the_engine_rows_are_not_compared_and_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_iceberg", None)
    with pytest.raises(InvalidRequest, match="lacks its extension 'iceberg'") as caught:
        converters.verify(str(write_delta(tmp_path)), ["iceberg"], mode="rows")
    assert "tablecast[demo]" in caught.value.hint
