"""Of each file group, the newest file slice that is committed counts; whatever was replaced does not."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from converters.hudi.reading.file_names import base_files, log_files
from converters.hudi.reading.file_slices import FileSlices, file_slices
from converters.hudi.reading.listing import FILE_COLUMNS
from converters.hudi.timeline.commit_metadata import REPLACED


def _files(names: Sequence[str]) -> pa.Table:
    parts = [name.rpartition("/") for name in names]
    columns = [[folder for folder, _, _ in parts], [name for _, _, name in parts], [1] * len(parts)]
    return pa.table(
        [pa.array(columns[0], pa.string()), pa.array(columns[1], pa.string()), columns[2]], FILE_COLUMNS.names
    )


def _slices(
    names: Sequence[str],
    *,
    committed: Sequence[str] = ("1", "2", "3"),
    replaced: Sequence[tuple[str, str]] = (),
    completed_at: dict[str, str] | None = None,
) -> FileSlices:
    files = _files(names)
    columns = [[partition for partition, _ in replaced], [id_ for _, id_ in replaced]]
    gone = pa.table([pa.array(each, pa.string()) for each in columns], schema=REPLACED)
    times = completed_at or {instant: instant for instant in committed}
    return file_slices(base_files(files), log_files(files), gone, set(committed).__contains__, times.get)


def _live(names: Sequence[str], **how: object) -> list[str]:
    rows = _slices(names, **how).base_files.to_pylist()  # type: ignore[arg-type]
    return [f"{row['partition']}/{row['name']}" for row in rows]


def _logs(names: Sequence[str], **how: object) -> list[str]:
    return _slices(names, **how).log_files["name"].to_pylist()  # type: ignore[arg-type]


def test_the_newest_base_file_of_each_group_counts() -> None:
    names = ["p/a_0_1.parquet", "p/a_0_3.parquet", "p/a_0_2.parquet", "p/b_0_1.parquet"]
    assert _live(names) == ["p/a_0_3.parquet", "p/b_0_1.parquet"]


def test_what_is_not_committed_is_as_if_it_were_not_there() -> None:
    names = ["p/a_0_1.parquet", "p/a_0_2.parquet", "p/b_0_2.parquet"]
    assert _live(names, committed=["1"]) == ["p/a_0_1.parquet"]


def test_groups_are_told_apart_by_their_partitions_too() -> None:
    names = ["p/a_0_1.parquet", "q/a_0_2.parquet"]
    assert _live(names, replaced=[("p", "a")]) == ["q/a_0_2.parquet"]


def test_a_replaced_group_is_gone_with_its_logs() -> None:
    names = ["p/a_0_1.parquet", "p/.a_1.log.1_0"]
    assert _live(names, replaced=[("p", "a")]) == []
    assert _logs(names, replaced=[("p", "a")]) == []


def test_logs_of_earlier_slices_are_in_the_base_file() -> None:
    names = ["p/a_0_1.parquet", "p/a_0_2.parquet", "p/.a_1.log.1_0", "p/.a_2.log.1_0"]
    assert _logs(names) == [".a_2.log.1_0"]


def test_logs_of_a_compaction_that_is_still_pending_belong_to_the_newest_slice() -> None:
    names = ["p/a_0_1.parquet", "p/.a_1.log.1_0", "p/.a_3.log.1_0"]
    assert _logs(names, committed=["1"], completed_at={"1": "1", "3": "3"}) == [".a_1.log.1_0", ".a_3.log.1_0"]


def test_logs_without_a_base_file_count() -> None:
    assert _logs(["p/.a_1.log.1_0"]) == [".a_1.log.1_0"]


def test_a_log_that_was_completed_after_the_base_file_began_counts() -> None:
    # Written at 1, completed at 5: a compaction that began at 2 did not see it.
    names = ["p/a_0_2.parquet", "p/.a_1.log.1_0"]
    assert _logs(names, completed_at={"1": "5"}) == [".a_1.log.1_0"]
    assert _logs(names, completed_at={"1": "1"}) == []
    assert _logs(names, completed_at={"2": "2"}) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.integers(1, 9)),
        unique=True,
        min_size=1,
        max_size=30,
    ),
    st.sets(st.integers(1, 9)),
    st.sets(st.tuples(st.sampled_from("pq"), st.sampled_from("abc"))),
)
def test_any_history(written: list[tuple[str, str, int]], committed: set[int], replaced: set[tuple[str, str]]) -> None:
    newest: dict[tuple[str, str], int] = {}
    for partition, group, instant in written:
        if instant in committed and (partition, group) not in replaced:
            newest[partition, group] = max(instant, newest.get((partition, group), 0))
    names = [f"{partition}/{group}_0_{instant}.parquet" for partition, group, instant in written]
    expected = [f"{partition}/{group}_0_{instant}.parquet" for (partition, group), instant in sorted(newest.items())]
    assert _live(names, committed=[str(each) for each in committed], replaced=sorted(replaced)) == expected
