"""A table is partitioned by what its files prove; where paths and files contradict, the files are right."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from converters.errors import UnsupportedTableFeature
from converters.model.snapshot import Snapshot
from tests.corpus import Corpus, case
from tests.hudi_source.made import HudiTable
from tests.hudi_source.tables import opened, rows_of
from tests.readers import digest


def _spec(snapshot: Snapshot) -> list[tuple[str, str]]:
    names = {node.id: node.dotted for node in snapshot.table.schema.nodes}
    return [(names[field.source_id], str(field.transform)) for field in snapshot.table.default_spec.fields]


def _values(table: Path, **options: str) -> list[tuple[object, ...]]:
    source = opened(table, **options)
    (batch,) = source.data_files(source.snapshot())
    return sorted((tuple(row.values()) for row in batch.column("partition").to_pylist()), key=repr)


@pytest.mark.parametrize(
    "name,spec",
    [
        ("cow_v9", [("p", "identity")]),
        ("nonhive", [("p", "identity")]),
        ("nonhive_date", [("d", "identity")]),
        ("part_date", [("d", "identity")]),
        ("part_int", [("p", "identity")]),
        ("part_null", [("p", "identity"), ("q", "identity")]),
        ("part_slash", [("p", "identity")]),
        ("part_special", [("p", "identity")]),
        ("drop_part_cols", [("p", "identity")]),
        ("w0150_drop_part_cols", [("p", "identity")]),
        ("custom_keygen", [("p", "identity")]),
        ("w0150_custom_keygen", [("p", "identity")]),
        ("part_binary", []),
        ("ts_keygen_epoch", []),
        ("simple", []),
    ],
)
def test_a_table_says_itself_how_it_is_partitioned(name: str, spec: list[tuple[str, str]], corpus: Corpus) -> None:
    source = opened(corpus.path(f"hudi/{name}"))
    assert _spec(source.snapshot()) == spec
    asked = {"part_binary": "b", "ts_keygen_epoch": "ts", "custom_keygen": "ts", "w0150_custom_keygen": "ts"}
    assert [note.split("'")[1] for note in source.notes()] == ([asked[name]] if name in asked else [])


def test_nulls_are_null(corpus: Corpus) -> None:
    assert _values(corpus.path("hudi/part_null")) == [("x", 1), ("y", None), (None, 2), (None, None)]


def test_slashes_and_escapes_are_in_values(corpus: Corpus) -> None:
    assert _values(corpus.path("hudi/part_slash")) == [("2024/01/01",), ("2024/01/02",)]
    assert ("a%20b",) in _values(corpus.path("hudi/part_special"))


def test_dropped_columns_come_from_the_paths(corpus: Corpus) -> None:
    assert _values(corpus.path("hudi/drop_part_cols")) == [("x",), ("y",)]


def test_the_caller_may_say_how_it_is_partitioned(corpus: Corpus) -> None:
    table = corpus.path("hudi/cow_v9")
    assert _spec(opened(table, partition_spec="p:VALUE").snapshot()) == [("p", "identity")]
    assert _spec(opened(table, partition_spec="").snapshot()) == []
    source = opened(table, partition_spec="")
    assert digest(rows_of(source)) == case("hudi/cow_v9").contents.sha256


def test_files_that_contradict_their_path_leave_the_table_without_the_partition(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p")
    table.write("p=a", pa.table({"id": [1], "p": ["a"]}))
    table.write("p=b", pa.table({"id": [2], "p": ["not b"]}))
    table.commit()
    source = opened(table.path)
    assert _spec(source.snapshot()) == []
    assert "'p' is not carried over" in source.notes()[0]


@pytest.mark.parametrize("p", [["a", "b"], ["a", None]])
def test_files_with_several_values_leave_the_table_without_the_partition(p: list[str | None], tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p")
    table.write("p=a", pa.table({"id": [1, 2], "p": p}))
    table.commit()
    assert _spec(opened(table.path).snapshot()) == []


def test_an_empty_file_contradicts_nothing(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p")
    table.write("p=a", pa.table({"id": pa.array([], pa.int64()), "p": pa.array([], pa.string())}))
    table.write("p=b", pa.table({"id": [1], "p": ["b"]}))
    table.commit()
    assert _values(table.path) == [("a",), ("b",)]


def test_an_empty_text_is_not_null(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p")
    table.write("p=__HIVE_DEFAULT_PARTITION__", pa.table({"id": [1], "p": [""]}))
    table.write("p=b", pa.table({"id": [1], "p": ["b"]}))
    table.commit()
    assert _values(table.path) == [("",), ("b",)]


def test_a_column_that_only_some_files_have(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p", schema={"id": "long", "p": "int"})
    table.write("p=1", pa.table({"id": [1]}))
    table.write("p=2", pa.table({"id": [2], "p": pa.array([2], pa.int32())}))
    table.commit()
    assert _values(table.path) == [(1,), (2,)]


def test_a_column_that_no_path_says_and_no_file_has_is_refused(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p", schema={"id": "long", "p": "int"})
    table.write("p=one", pa.table({"id": [1]}))
    table.commit()
    with pytest.raises(UnsupportedTableFeature, match=r"'p=one/.*' lacks the partition column 'p'"):
        opened(table.path).snapshot()


TIMES = {
    "year": ([dt.datetime(2024, 1, 1), dt.datetime(2024, 12, 31, 23, 59, 59, 999_999)], 54),  # noqa: DTZ001
    "month": ([dt.datetime(1969, 12, 1), dt.datetime(1969, 12, 31, 23)], -1),  # noqa: DTZ001
    "day": ([dt.datetime(1969, 12, 31), dt.datetime(1969, 12, 31, 23, 59)], dt.date(1969, 12, 31)),  # noqa: DTZ001
    "hour": ([dt.datetime(1969, 12, 31, 23), dt.datetime(1969, 12, 31, 23, 59)], -1),  # noqa: DTZ001
}
FORMATS = {"year": "yyyy", "month": "yyyyMM", "day": "yyyy/MM/dd", "hour": "yyyy-MM-dd-HH"}


@pytest.mark.parametrize("unit", TIMES)
@pytest.mark.parametrize("kind", ["timestamp-micros", "local-timestamp-micros"])
def test_times_are_partitioned_by_what_the_files_prove(unit: str, kind: str, tmp_path: Path) -> None:
    moments, value = TIMES[unit]
    zone = None if kind.startswith("local") else "UTC"
    times = pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("us", zone))
    table = HudiTable(
        tmp_path / "t",
        partition_fields="ts",
        generator="Timestamp",
        schema={"id": "long", "ts": {"type": "long", "logicalType": kind}},
        **{"hoodie.keygen.timebased.output.dateformat": FORMATS[unit]},
    )
    table.write("x/y", pa.table({"id": [1, 2], "ts": times}))
    table.commit()
    assert _spec(opened(table.path).snapshot()) == [("ts", unit)]
    assert _values(table.path) == [(value,)]


def test_times_of_another_zone_leave_the_table_without_the_partition(tmp_path: Path) -> None:
    times = pa.array([dt.datetime(2024, 1, 1, 23), dt.datetime(2024, 1, 2, 1)], pa.timestamp("us", "UTC"))  # noqa: DTZ001
    table = HudiTable(
        tmp_path / "t",
        partition_fields="ts",
        generator="Timestamp",
        schema={"id": "long", "ts": {"type": "long", "logicalType": "timestamp-micros"}},
        **{"hoodie.keygen.timebased.output.dateformat": "yyyy/MM/dd", "hoodie.keygen.timebased.timezone": "GMT+2:00"},
    )
    table.write("2024/01/02", pa.table({"id": [1, 2], "ts": times}))
    table.commit()
    source = opened(table.path)
    assert _spec(source.snapshot()) == []
    assert "not always of one day in UTC" in source.notes()[0]


def test_floating_values_do_not_partition(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="f", schema={"id": "long", "f": "double"})
    table.write("f=0.0", pa.table({"id": [1, 2], "f": [0.0, -0.0]}))
    table.commit()
    assert _spec(opened(table.path).snapshot()) == []


def test_the_files_are_those_of_the_table(tmp_path: Path) -> None:
    table = HudiTable(tmp_path / "t", partition_fields="p")
    table.write("p=a", pa.table({"id": [1], "p": ["a"]}))
    table.commit()
    (path,) = (table.path / "p=a").glob("*.parquet")
    assert pq.read_metadata(path).num_rows == 1
    assert len(rows_of(opened(table.path))) == 1


def test_a_table_without_files_is_partitioned_all_the_same(tmp_path: Path) -> None:
    table = HudiTable(tmp_path, partition_fields="p")
    table.commit()
    source = opened(tmp_path)
    assert _spec(source.snapshot()) == [("p", "identity")]
    assert source.notes() == []
