"""What a metadata table says after several commits, and after accidents, is what Hudi would read from it."""

import contextlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.containers.log_block import CDC_DATA, HFILE_DATA
from converters.hudi.metadata_table.keys import ALL_PARTITIONS
from converters.hudi.metadata_table.records import (
    ColumnStatistics,
    column_stats_records,
    column_stats_tombstones,
    partitions_value,
)
from tests.hudi_containers.metadata_tables import Files, HandMade, delete_block, file_records, rollback_block

T = [f"2026112109000000{place}" for place in range(10)]


@pytest.fixture
def table(tmp_path: Path) -> HandMade:
    made = HandMade(tmp_path)
    made.commit(T[1])
    made.base(T[1], file_records({"p=1": {"a": 1, "b": 2}, "p=2": {"c": 3}}))
    return made


def test_later_entries_change_earlier_ones(table: HandMade) -> None:
    table.commit(T[2])
    table.commit(T[3])
    changes: Files = {"p=1": {"a": None, "d": 4}, "p=3": {"e": 5}}
    table.log(T[1], 1, table.block(T[2], file_records(changes)))
    table.log(T[1], 2, table.block(T[3], file_records({"p=1": {"d": None, "a": 6, "b": 1}})))
    # Of sizes the larger one counts: log files only grow, and records may have been written in another order.
    assert table.files() == {"p=1": {"a": 6, "b": 2}, "p=2": {"c": 3}, "p=3": {"e": 5}}


def test_log_files_count_in_the_order_of_their_numbers(table: HandMade) -> None:
    for version in range(1, 13):
        table.log(T[1], version, table.block(T[2], file_records({"p=1": {"x": None if version % 2 == 0 else 7}})))
    table.commit(T[2])
    assert "x" not in table.files()["p=1"]


def test_a_partition_that_is_not_in_the_list_is_not_there(table: HandMade) -> None:
    table.commit(T[2])
    gone = {ALL_PARTITIONS.encode(): partitions_value(["p=1"], deleted=True)}
    table.log(T[1], 1, table.block(T[2], gone))
    assert table.files() == {"p=2": {"c": 3}}


def test_a_table_without_partitions_has_the_empty_path(tmp_path: Path) -> None:
    made = HandMade(tmp_path)
    made.commit(T[1])
    made.base(T[1], file_records({"": {"a": 1}}))
    assert made.files() == {"": {"a": 1}}


@pytest.mark.parametrize("state", ["pending in the table", "pending in the metadata table", "unknown"])
def test_what_is_not_committed_is_not_read(table: HandMade, state: str) -> None:
    if state == "pending in the table":
        table.instant(T[2], own=False)
        table.instant(T[2], "commit", own=True, completed_at=None)
    elif state == "pending in the metadata table":
        table.instant(T[2], own=False, completed_at=None)
        table.instant(T[2], "commit", own=True, completed_at=None)
    table.log(T[1], 1, table.block(T[2], file_records({"p=1": {"x": 9}})))
    table.base(T[3], file_records({"p=9": {"x": 9}}))
    assert table.files() == {"p=1": {"a": 1, "b": 2}, "p=2": {"c": 3}}


def test_a_base_file_counts_although_the_table_itself_is_not_committed(table: HandMade) -> None:
    table.instant(T[2], own=False)
    table.instant(T[2], "commit", own=True, completed_at=None)
    table.base(T[2], file_records({"p=9": {"x": 9}}))
    assert table.files() == {"p=9": {"x": 9}}


def test_what_was_rolled_back_is_not_read_and_what_was_written_again_is(table: HandMade) -> None:
    table.commit(T[2])
    table.commit(T[3])
    table.log(T[1], 1, table.block(T[2], file_records({"p=1": {"x": 9}})))
    table.log(T[1], 2, table.block(T[3], file_records({"p=1": {"y": 9}})), rollback_block(T[4], T[2]))
    assert table.files()["p=1"] == {"a": 1, "b": 2, "y": 9}
    table.log(T[1], 3, table.block(T[2], file_records({"p=1": {"z": 9}})))
    assert table.files()["p=1"] == {"a": 1, "b": 2, "y": 9, "z": 9}


def test_a_torn_block_is_not_read_and_those_after_it_are(table: HandMade) -> None:
    table.commit(T[2])
    block = table.block(T[2], file_records({"p=1": {"x": 9}}))
    table.log(T[1], 1, block[: len(block) // 2], table.block(T[2], file_records({"p=1": {"y": 9}})))
    table.log(T[1], 2, b"")
    assert table.files()["p=1"] == {"a": 1, "b": 2, "y": 9}


def test_while_a_compaction_runs_log_files_bear_its_instant(table: HandMade) -> None:
    table.commit(T[2])
    table.commit(T[4])
    table.instant(T[3], "compaction", own=False, completed_at=None)
    table.log(T[1], 1, table.block(T[2], file_records({"p=1": {"x": 9}})))
    table.log(T[3], 1, table.block(T[4], file_records({"p=1": {"y": 9}})))
    assert table.files()["p=1"] == {"a": 1, "b": 2, "x": 9, "y": 9}
    opened = table.open()
    assert opened is not None
    (found,) = opened.slices["files"]
    assert (found.file_id, found.base_instant, found.next_version) == ("files-0000-0", T[3], 2)


def test_after_a_compaction_older_log_files_are_not_read(table: HandMade) -> None:
    table.commit(T[2])
    table.instant(T[3], "commit", own=False)
    table.log(T[1], 1, table.block(T[2], file_records({"p=1": {"x": 9}})))
    table.base(T[3], file_records({"p=1": {"a": 1}}))
    assert table.files() == {"p=1": {"a": 1}}


def test_there_may_be_log_files_only(tmp_path: Path) -> None:
    made = HandMade(tmp_path)
    made.commit(T[1])
    made.log(T[1], 1, made.block(T[1], file_records({"p=1": {"a": 1}})))
    assert made.files() == {"p=1": {"a": 1}}


def test_log_files_of_version_8_are_put_after_a_base_file_by_their_completion(tmp_path: Path) -> None:
    made = HandMade(tmp_path, 8)
    made.commit(T[1])
    made.commit(T[2], completed_at=T[3])
    made.commit(T[4], completed_at=T[6])  # began before the compaction, and ended after it began
    made.instant(T[5], "commit", own=False, completed_at=T[7])
    made.base(T[1], file_records({"p=1": {"a": 1}}))
    made.base(T[5], file_records({"p=1": {"a": 1, "b": 2}}))
    made.log(T[2], 1, made.block(T[2], file_records({"p=1": {"a": None, "b": 2}})))
    made.log(T[4], 1, made.block(T[4], file_records({"p=1": {"c": 3}})))
    assert made.files() == {"p=1": {"a": 1, "b": 2, "c": 3}}


def test_a_kind_of_block_that_metadata_tables_have_not_is_refused(table: HandMade) -> None:
    table.commit(T[2])
    block = table.block(T[2], file_records({"p=1": {"x": 9}}))
    table.log(T[1], 1, block[:18] + CDC_DATA.to_bytes(4, "big") + block[22:])
    assert int.from_bytes(block[18:22], "big") == HFILE_DATA
    with pytest.raises(UnsupportedTableFeature, match=r"log\.1_0-0-0.* kind 6"):
        table.files()


def test_without_a_commit_there_is_no_metadata_table(tmp_path: Path) -> None:
    made = HandMade(tmp_path)
    assert made.open() is None
    made.base(T[1], file_records({"p=1": {"a": 1}}))
    assert made.open() is None


def statistics(names: list[str], low: pa.Array, *, column: str = "x") -> dict[bytes, bytes]:
    ones = pa.array([10] * len(names), pa.int64())
    given_statistics = ColumnStatistics(column, ones, pa.array([0] * len(names), pa.int64()), low, low)
    partitions = pa.array(["p=1"] * len(names))
    ((keys, values),) = column_stats_records(partitions, pa.array(names), [given_statistics])
    return dict(zip(keys.to_pylist(), values.to_pylist(), strict=True))


def tombstones(names: list[str]) -> dict[bytes, bytes]:
    ((keys, values),) = column_stats_tombstones(pa.array(["p=1"] * len(names)), pa.array(names), ["x"])
    return dict(zip(keys.to_pylist(), values.to_pylist(), strict=True))


def minima(table: HandMade, names: list[str], column: str = "x") -> pa.Array:
    opened = table.open()
    assert opened is not None
    read = opened.column_stats(pa.table({"partition": ["p=1"] * len(names), "name": names}), [column])
    assert read is not None
    return read[column].combine_chunks().field("min")


def test_later_statistics_take_the_place_of_earlier_ones(table: HandMade) -> None:
    for time in T[2:6]:
        table.commit(time)
    names = [f"f{place}" for place in range(50)]
    base = statistics(names, pa.array(range(50)))
    table.base(T[1], {**base, **statistics(names, pa.array(range(50)), column="y")}, "column_stats")
    part = "column_stats"
    table.log(T[1], 1, table.block(T[2], statistics(["f1", "f2"], pa.array([-1, -2])), part), partition=part)
    table.log(T[1], 2, table.block(T[3], tombstones(["f2", "f3"]), part), partition=part)
    table.log(T[1], 3, table.block(T[4], statistics(["f3"], pa.array([-3])), part), partition=part)
    gone = list(statistics(["f4", "f5"], pa.array([0, 0])))
    table.log(T[1], 4, delete_block(T[5], gone), partition=part)
    wanted = ["f49", "f5", "f4", "f3", "f2", "f1", "f0", "no such file", "f1"]
    assert minima(table, wanted).to_pylist() == [49, None, None, -3, None, -1, 0, None, -1]
    assert minima(table, wanted, "y").to_pylist() == [49, 5, 4, 3, 2, 1, 0, None, 1]
    table.log(T[1], 5, table.block(T[5], statistics(["f5"], pa.array([-5])), part), partition=part)
    assert minima(table, ["f5"]).to_pylist() == [-5]


def test_statistics_are_found_however_the_empty_partition_path_was_hashed(tmp_path: Path) -> None:
    """Hudi 0.14 hashed it as it is, as Java XTable does with it."""
    made = HandMade(tmp_path)
    made.commit(T[1])
    made.base(T[1], file_records({"": {"f": 1}}))
    count, low = pa.array([3], pa.int64()), pa.array([7])
    ((keys, values),) = column_stats_records(
        pa.array([""]), pa.array(["f"]), [ColumnStatistics("x", count, count, low, low)]
    )
    key, value = keys[0].as_py(), values[0].as_py()
    made.base(T[1], {key[:12] + b"DW/eaNVbRdo=" + key[24:]: value}, "column_stats")
    opened = made.open()
    assert opened is not None
    read = opened.column_stats(pa.table({"partition": [""], "name": ["f"]}), ["x"])
    assert read is not None
    assert read["x"].combine_chunks().field("value_count").to_pylist() == [3]


@pytest.mark.parametrize(
    "first, second, expected",
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.int32(), pa.float64(), pa.float64()),
        (pa.int64(), pa.float64(), pa.null()),
        (pa.int32(), pa.string(), pa.null()),
    ],
)
def test_bounds_of_a_column_whose_type_was_widened_are_brought_together(
    table: HandMade, first: pa.DataType, second: pa.DataType, expected: pa.DataType
) -> None:
    table.commit(T[2])
    part = "column_stats"
    table.base(T[1], statistics(["a"], pa.array([1]).cast(first)), part)
    table.log(T[1], 1, table.block(T[2], statistics(["b"], pa.array([2]).cast(second)), part), partition=part)
    read = minima(table, ["a", "b"])
    assert read.type == expected
    assert read.to_pylist() == ([None, None] if expected == pa.null() else [1, 2])


@given(place=st.integers(0, 2**20), what=st.binary(min_size=1, max_size=8))
@settings(deadline=None, max_examples=100)
def test_damaged_records_raise_nothing_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, place: int, what: bytes
) -> None:
    """The damage is inside of records, where the HFile tells nothing of it."""
    made = HandMade(tmp_path_factory.mktemp("damaged"))
    made.commit(T[1])
    names = [f"f{number}" for number in range(20)]
    stats = statistics(names, pa.array([f"text {number}" for number in range(20)]))
    for partition, records in (
        ("files", file_records({"p=1": dict.fromkeys(names, 1000), "p=2": {"a": 2**40}})),
        ("column_stats", stats),
    ):
        keys = sorted(records)
        whole = bytearray(b"".join(records[key] for key in keys))
        at = place % (len(whole) - len(what))
        whole[at : at + len(what)] = what
        damaged = {}
        for key in keys:
            damaged[key], whole = bytes(whole[: len(records[key])]), whole[len(records[key]) :]
        made.base(T[1], damaged, partition)
    for read in (made.files, lambda: minima(made, names)):
        with contextlib.suppress(CorruptTable, UnsupportedTableFeature):
            read()
