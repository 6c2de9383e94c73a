"""Names of data files say file groups and instants, in every form that Hudi and others write."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.hudi.reading.file_names import BASE_COLUMNS, LOG_COLUMNS, base_files, log_files
from converters.hudi.reading.listing import FILE_COLUMNS

GROUP = "2b3f3789-0782-4a5d-970d-545f90981770-0"
INSTANT = "20261121094731689"


def _files(*names: str) -> pa.Table:
    return pa.table([["p=x"] * len(names), list(names), [10] * len(names)], schema=FILE_COLUMNS)


def _base(name: str) -> dict[str, Any]:
    (row,) = base_files(_files(name)).to_pylist()
    return dict(row)


def test_a_base_file_names_its_file_group_and_its_instant() -> None:
    assert _base(f"{GROUP}_0-5034-16451_{INSTANT}.parquet") == {
        "partition": "p=x",
        "name": f"{GROUP}_0-5034-16451_{INSTANT}.parquet",
        "size": 10,
        "file_id": GROUP,
        "instant": INSTANT,
        "extension": "parquet",
        "external": False,
    }


def test_instants_of_old_tables_have_seconds_only() -> None:
    assert _base(f"{GROUP}_0-1-2_20200101120000.ORC")["instant"] == "20200101120000"


def test_the_ending_is_told_in_lower_case() -> None:
    assert _base(f"{GROUP}_0-1-2_20200101120000.ORC")["extension"] == "orc"


@pytest.mark.parametrize(
    "name",
    [
        ".hoodie_partition_metadata",
        f".{GROUP}_0-5034-16451_{INSTANT}.parquet.crc",
        f".{GROUP}_{INSTANT}.log.1_0-1-0",
        "part-00000-d3cd7e5b.snappy.parquet",
        f"{GROUP}_0-1-2_{INSTANT}.parquet.tmp",
        "_SUCCESS",
    ],
)
def test_what_is_no_base_file_is_left_alone(name: str) -> None:
    assert base_files(_files(name)).equals(BASE_COLUMNS.empty_table())


def test_a_file_of_another_system_keeps_its_name() -> None:
    found = _base(f"part-00000_a-c000.zstd.parquet_{INSTANT}_hudiext")
    assert (found["name"], found["file_id"]) == ("part-00000_a-c000.zstd.parquet",) * 2
    assert (found["instant"], found["extension"], found["external"]) == (INSTANT, "parquet", True)


def test_a_file_of_another_system_may_lie_in_a_folder_below_its_partition() -> None:
    found = _base(f"0011/1010/f 1.parquet_{INSTANT}_fg%3D0011%2F1010_hudiext")
    assert (found["name"], found["file_id"]) == ("0011/1010/f 1.parquet",) * 2
    assert found["instant"] == INSTANT


def test_the_marker_says_the_folder_where_the_recorded_name_does_not() -> None:
    assert _base(f"f.parquet_{INSTANT}_fg%3Da%2Fb_hudiext")["name"] == "a/b/f.parquet"


@given(
    name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1),
    instant=st.integers(10**16, 10**17 - 1).map(str),
)
def test_any_name_of_another_system_comes_back(name: str, instant: str) -> None:
    found = _base(f"{name}.parquet_{instant}_hudiext")
    assert (found["name"], found["instant"]) == (f"{name}.parquet", instant)


def test_both_kinds_of_base_files_may_be_in_one_table() -> None:
    files = base_files(_files(f"{GROUP}_0-1-2_{INSTANT}.parquet", f"f.parquet_{INSTANT}_hudiext"))
    assert files["external"].to_pylist() == [False, True]
    assert files.schema == BASE_COLUMNS


def test_a_log_file_names_its_file_group_and_an_instant() -> None:
    name = f".{GROUP}_{INSTANT}.log.2_0-4407-15370"
    assert log_files(_files(name)).to_pylist() == [
        {"partition": "p=x", "name": name, "size": 10, "file_id": GROUP, "instant": INSTANT}
    ]


@pytest.mark.parametrize(
    "name",
    [
        f".{GROUP}_{INSTANT}.log.1_1-5939-17994.cdc",
        f"..{GROUP}_{INSTANT}.log.1_1-5939-17994.crc",
        f"{GROUP}_0-1-2_{INSTANT}.parquet",
        ".hoodie_partition_metadata",
    ],
)
def test_change_feeds_and_other_files_are_no_log_files(name: str) -> None:
    assert log_files(_files(name)).equals(LOG_COLUMNS.empty_table())
