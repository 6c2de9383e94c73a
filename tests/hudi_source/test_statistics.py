"""What is said of files is true of the rows in them, wherever it comes from; what is not known is not said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

import converters
from converters.model.data_file import stat
from converters.model.schema import Leaf
from tests.corpus import Corpus, cases
from tests.hudi_source.tables import opened, real_table, set_property

LISTED = {"hudi/cow_v6_nomdt", "hudi/cow_v9_nomdt"}
REFUSED = {"hudi/mor_v6", "hudi/mor_v9", "hudi/sql_table"}
NAMES = [case.name for case in cases("hudi") if case.name not in REFUSED]


def _column(path: str, leaf: Leaf) -> pa.ChunkedArray | None:
    table = pq.read_table(path.removeprefix("file://"), partitioning=None)
    if leaf.stored_path[0] not in table.column_names:
        return None
    column = table[leaf.stored_path[0]]
    for name in leaf.stored_path[1:]:
        column = pc.struct_field(column, name)
    return column


def _assert_true(batch: pa.RecordBatch, row: int, leaf: Leaf) -> None:
    column = _column(batch.column("path")[row].as_py(), leaf)
    said = {name: stat(batch, leaf.field.id, name)[row] for name in ("null_count", "lower", "upper", "exact")}
    if column is None:
        assert said["null_count"].as_py() in (None, batch.column("row_count")[row].as_py())
        return
    nulls = said["null_count"].as_py()
    assert nulls in (None, column.null_count), leaf.path
    if not said["lower"].is_valid:
        return
    values = column.cast(said["lower"].type)
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.is_nan(values)))
    least, most = pc.min(values), pc.max(values)
    assert pc.less_equal(said["lower"], least).as_py() is not False, leaf.path
    assert pc.greater_equal(said["upper"], most).as_py() is not False, leaf.path
    if said["exact"].as_py():
        assert (said["lower"].as_py(), said["upper"].as_py()) == (least.as_py(), most.as_py()), leaf.path


def _assert_all_true(table: Path, **options: Any) -> int:
    source = opened(table, **options)
    snapshot = source.snapshot()
    known = 0
    for batch in source.data_files(snapshot):
        for row in range(len(batch)):
            path = batch.column("path")[row].as_py().removeprefix("file://")
            assert batch.column("row_count")[row].as_py() == pq.read_metadata(path).num_rows
            assert batch.column("size")[row].as_py() == Path(path).stat().st_size
            for leaf in snapshot.table.schema.leaves:
                _assert_true(batch, row, leaf)
                known += stat(batch, leaf.field.id, "lower")[row].is_valid
    return known


@pytest.mark.parametrize("name", NAMES)
def test_statistics_are_true(name: str, corpus: Corpus) -> None:
    known = _assert_all_true(corpus.path(name))
    assert known or name == "hudi/empty"


@pytest.mark.parametrize("name", sorted(set(NAMES) - LISTED - {"hudi/empty"}))
def test_statistics_are_true_without_the_metadata_table(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    set_property(table, "hoodie.table.metadata.partitions", "")
    assert _assert_all_true(table) > 0


def test_statistics_are_true_where_only_files_are_indexed(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/types_all", tmp_path)
    set_property(table, "hoodie.table.metadata.partitions", "files")
    assert _assert_all_true(table) > 0


def test_meta_columns_are_kept_by_request(corpus: Corpus) -> None:
    table = corpus.path("hudi/cow_v9")
    names = [field.name for field in opened(table, meta_columns=True).snapshot().table.schema.fields]
    assert names[:5] == [
        "_hoodie_commit_time",
        "_hoodie_commit_seqno",
        "_hoodie_record_key",
        "_hoodie_partition_path",
        "_hoodie_file_name",
    ]
    assert _assert_all_true(table, meta_columns=True) > 0


def test_bounds_of_a_column_with_nan_are_not_believed(corpus: Corpus) -> None:
    # Hudi says of 5e-324, NaN and 0.0 that both bounds are 0.
    source = opened(corpus.path("hudi/types_extremes"))
    snapshot = source.snapshot()
    (batch,) = source.data_files(snapshot)
    column = snapshot.table.schema.field("d")
    assert column is not None
    assert stat(batch, column.id, "lower").to_pylist() == [None]


def test_bounds_of_times_in_milliseconds_are_true_where_the_schema_says_microseconds(tmp_path: Path) -> None:
    # Hudi 1.0.2 with hoodie.parquet.outputtimestamptype=TIMESTAMP_MILLIS: its index has the files' plain numbers.
    assert _assert_all_true(real_table("w102_milliseconds", tmp_path)) > 0


@pytest.mark.parametrize("table_version", ["6", "9"])
def test_bounds_that_only_keep_readers_from_skipping_files_are_not_told_on(tmp_path: Path, table_version: str) -> None:
    rows = pa.table(
        {
            "id": pa.array(range(4), pa.int64()),
            "never_null": [0.5, 1.5, 2.5, 3.5],
            "often_null": pa.array([None, None, None, 1.0], pa.float64()),
            "nested": [{"a": 1}] * 4,
        }
    )
    write_deltalake(tmp_path, rows)
    options = {"hudi.target.table-version": table_version}
    report = converters.convert(str(tmp_path), ["hudi"], source_format="delta", options=options)
    assert report.ok
    assert _assert_all_true(tmp_path) > 0
