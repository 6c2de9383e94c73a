"""Whatever is wrong with a target is found, by the check that it concerns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import converters
from tests.corpus import Corpus
from tests.tables import append_delta, write_delta, write_iceberg
from tests.verify.broken import Action, check_of, edit_adds, edit_log, edit_schema, verified


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """An Iceberg table that was converted to Delta Lake."""
    write_iceberg(tmp_path)
    assert converters.convert(str(tmp_path), ["delta"]).ok
    return tmp_path


@pytest.fixture
def partitioned(corpus: Corpus, tmp_path: Path) -> Path:
    """An Iceberg table that is partitioned by a number, converted to Delta Lake."""
    place = corpus.copy("iceberg/part_int", tmp_path)
    assert converters.convert(str(place), ["delta"], source_format="iceberg").ok
    return place


def _assert_differs(table: Path, name: str, *words: str) -> None:
    found = verified(table, "delta", source_format="iceberg")
    assert (found.result, found.ok) == ("differs", False)
    assert [check.name for check in found.checks if check.result == "differs"] == [name]
    said = " ".join([check_of(found, name).detail, *check_of(found, name).examples])
    for each in words:
        assert each in said


def test_what_is_right_is_equal(table: Path, partitioned: Path) -> None:
    for each in (table, partitioned):
        found = verified(each, "delta", source_format="iceberg")
        assert (found.result, found.ok, found.error) == ("equal", True, None)
        assert {check.result for check in found.checks} == {"ok"}


def test_a_file_is_missing(table: Path) -> None:
    dropped: list[str] = []

    def without_first(action: Action) -> Iterator[Action]:
        if "add" in action and not dropped:
            dropped.append(action["add"]["path"])
        else:
            yield action

    edit_log(table, without_first)
    _assert_differs(table, "files", "1 missing, 0 extra", dropped[0], "the target lacks it")


def test_a_file_is_extra(table: Path) -> None:
    def twice(action: Action) -> Iterator[Action]:
        yield action
        if "add" in action:
            path = action["add"]["path"]
            shutil.copy(table / path, table / "stray.parquet")
            yield {"add": {**action["add"], "path": "stray.parquet"}}

    edit_log(table, twice)
    _assert_differs(table, "files", "0 missing, 1 extra", "stray.parquet: the source has no such file")


def test_a_size_is_wrong(table: Path) -> None:
    edit_adds(table, lambda add: add.update(size=add["size"] + 1))
    _assert_differs(table, "sizes", "bytes of PARQUET in the target")


def test_a_row_count_is_wrong(table: Path) -> None:
    edit_adds(table, lambda add: add["stats"].update(numRecords=7))
    _assert_differs(table, "row-counts", "7 in the target")


def test_a_null_count_is_wrong(table: Path) -> None:
    edit_adds(table, lambda add: add["stats"]["nullCount"].update(note=1))
    _assert_differs(table, "null-counts", "null count of note is", "1 in the target")


@pytest.mark.parametrize(
    "side,column,value", [("minValues", "id", 3), ("maxValues", "note", "note-2"), ("maxValues", "ratio", 0.5)]
)
def test_a_bound_is_too_tight(table: Path, side: str, column: str, value: object) -> None:
    edit_adds(table, lambda add: add["stats"][side].update({column: value}), first=2)
    words = f"{'lower' if side == 'minValues' else 'upper'} bound of {column} is"
    _assert_differs(table, "bounds", words, f"{value} in the target")


def test_a_loose_bound_is_right(table: Path) -> None:
    edit_adds(table, lambda add: add["stats"]["minValues"].update(id=-1000))
    assert verified(table, "delta", source_format="iceberg").result == "equal"


def test_statistics_may_be_left_out(table: Path) -> None:
    def bare(add: Action) -> None:
        add["stats"] = {"numRecords": add["stats"]["numRecords"]}

    edit_adds(table, bare)
    assert verified(table, "delta", source_format="iceberg").result == "equal"


def test_a_partition_value_is_wrong(partitioned: Path) -> None:
    def other(add: Action) -> None:
        (column,) = add["partitionValues"]
        add["partitionValues"][column] = "12345"

    edit_adds(partitioned, other)
    _assert_differs(partitioned, "partitions", "12345 in the target")


def test_a_deletion_vector_is_dropped(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("iceberg/mor_dv_v3", tmp_path)
    assert converters.convert(str(table), ["delta"], source_format="iceberg").ok
    assert (
        "7 rows of 1 files are deleted" in check_of(verified(table, "delta", source_format="iceberg"), "deletes").detail
    )

    def without_vectors(action: Action) -> Iterator[Action]:
        action.get("add", {}).pop("deletionVector", None)
        yield action

    edit_log(table, without_vectors)
    _assert_differs(table, "deletes", "7 rows are deleted in the source, 0 in the target")
    rows = check_of(verified(table, "delta", source_format="iceberg", mode="rows"), "rows")
    assert (rows.result, rows.examples[0][:7], rows.examples[1][:7]) == ("differs", "18 rows", "25 rows")


def test_the_partitioning_is_lost(tmp_path: Path) -> None:
    """Where the partition columns are not in the data files, readers of such a target would see null."""
    write_delta(tmp_path / "source")
    other = write_delta(tmp_path / "other", partitioned=False)
    shutil.copytree(other, tmp_path / "target")
    assert converters.convert(str(tmp_path / "source"), ["iceberg"]).ok
    assert converters.convert(str(other), ["iceberg"]).ok
    shutil.rmtree(tmp_path / "source" / "metadata")
    shutil.copytree(other / "metadata", tmp_path / "source" / "metadata")
    found = verified(tmp_path / "source", "iceberg", source_format="delta")
    assert check_of(found, "partitions").result == "differs"
    assert "region: the target is not partitioned by it" in check_of(found, "partitions").examples


@pytest.mark.parametrize(
    "change,said",
    [
        (lambda fields: fields[0].update(name="number"), "id: the target lacks it"),
        (lambda fields: fields.pop(), "note: the target lacks it"),
        (lambda fields: fields.append({**fields[0], "name": "more"}), "more: the source has no such column"),
        (lambda fields: fields[3].update(type="float"), "ratio: double in the source, float in the target"),
        (lambda fields: fields[0].update(nullable=False), "id: may be null in the source, but not in the target"),
        (lambda fields: fields.insert(0, fields.pop()), "the columns are in another order"),
    ],
    ids=["renamed", "dropped", "added", "type", "required", "order"],
)
def test_a_column_is_wrong(table: Path, change: object, said: str) -> None:
    assert callable(change)
    edit_schema(table, change)
    found = verified(table, "delta", source_format="iceberg")
    assert found.result == "differs"
    schema = check_of(found, "schema")
    assert (schema.result, said in " ".join(schema.examples)) == ("differs", True), schema


def test_somebody_else_wrote_to_it(table: Path) -> None:
    append_delta(table)
    found = verified(table, "delta", source_format="iceberg")
    assert found.result == "differs"
    assert "somebody else changed the table" in check_of(found, "state").detail
    assert check_of(found, "files").result != "ok"


def test_it_is_of_another_table(table: Path, tmp_path: Path) -> None:
    other = write_iceberg(tmp_path / "other")
    shutil.copytree(table / "_delta_log", other / "_delta_log")
    found = verified(other, "delta", source_format="iceberg")
    assert found.result == "differs"
    assert "made from another table" in check_of(found, "state").detail


def test_no_conversion_wrote_it(tmp_path: Path) -> None:
    write_iceberg(tmp_path)
    write_delta(tmp_path)
    found = verified(tmp_path, "delta", source_format="iceberg")
    assert found.result == "differs"
    assert "no conversion wrote this table" in check_of(found, "state").detail


def test_it_is_not_there(tmp_path: Path) -> None:
    write_iceberg(tmp_path)
    found = verified(tmp_path, "delta")
    assert (found.result, [check.name for check in found.checks]) == ("differs", ["state"])
    assert "there is no DELTA table at" in check_of(found, "state").detail


def test_it_cannot_be_read(table: Path) -> None:
    (log,) = (table / "_delta_log").glob("*.json")
    log.write_text("{")
    found = verified(table, "delta", source_format="iceberg")
    assert (found.result, found.ok) == ("unverified", False)
    assert found.error is not None
    assert found.error.type == "CorruptTable"
