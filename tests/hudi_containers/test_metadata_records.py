"""Records of the metadata table: what is encoded is what other readers decode."""

import datetime as dt
import decimal
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.hudi.containers.hfile_reader import read_hfile
from converters.hudi.containers.hfile_writer import HFileWriter
from converters.hudi.containers.log_block import HFILE_DATA, read_log
from converters.hudi.metadata_table.keys import ALL_PARTITIONS, FileKeys, column_key, column_stats_keys
from converters.hudi.metadata_table.records import (
    ColumnStatistics,
    column_stats_records,
    column_stats_tombstones,
    files_value,
    partitions_value,
    sorted_records,
)
from converters.hudi.metadata_table.schemas import COLUMN_STATS_SCHEMA, FILES_SCHEMA
from tests.corpus import Case, Corpus
from tests.hudi_containers import hudi_rs
from tests.hudi_containers.tables import WITH_STATISTICS

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
LONG = st.integers(-(2**63), 2**63 - 1)

# Bounds by type: what is given, and what of each is kept.
BOUNDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [False, True]),
    "int8": (pa.int8(), [-128, 127]),
    "int32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "int64": (pa.int64(), [-(2**63), 0, 2**63 - 1]),
    "float": (pa.float32(), [-1.5, float("inf")]),
    "double": (pa.float64(), [-1e300, 0.0]),
    "binary": (pa.binary(), [b"", b"\x00\xff"]),
    "fixed": (pa.binary(3), [b"abc", b"\x00\xff\x01"]),
    "string": (pa.string(), ["", "häß", "x" * 5000]),
    "large string": (pa.large_string(), ["", "häß"]),
    "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "time": (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999999)]),
    "time in milliseconds": (pa.time32("ms"), [dt.time(1, 2, 3, 4000)]),
    "timestamp": (pa.timestamp("us"), [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 1, 2, 3, 4)]),  # noqa: DTZ001
    "timestamp in milliseconds": (pa.timestamp("ms"), [dt.datetime(2024, 1, 1, 1, 2, 3, 4000)]),  # noqa: DTZ001
    "decimal": (pa.decimal128(10, 3), [decimal.Decimal("-1234567.891"), decimal.Decimal("0.001")]),
    "large decimal": (pa.decimal128(30, 15), [decimal.Decimal("-" + "9" * 15 + "." + "9" * 15)]),
}

NOT_KEPT: dict[str, pa.Array] = {
    "nanoseconds": pa.array([1], pa.timestamp("ns")),
    "digits before the point": pa.array([decimal.Decimal(1)], pa.decimal128(20, 4)),
    "digits after the point": pa.array([decimal.Decimal(1)], pa.decimal128(20, 16)),
    "structs": pa.array([{"a": 1}]),
    "unsigned": pa.array([1], pa.uint64()),
}


def decoded(schema: str, value: bytes) -> dict[str, Any]:
    rest = io.BytesIO(value)
    record = fastavro.schemaless_reader(rest, fastavro.parse_schema(json.loads(schema)), None)
    assert rest.read() == b""
    assert isinstance(record, dict)
    return record


def a_column(kind: pa.DataType, lower: Sequence[Any], upper: Sequence[Any]) -> ColumnStatistics:
    counts = pa.array([None if place % 3 == 2 else place * 1000 for place in range(len(lower))], pa.int64())
    return ColumnStatistics("a", counts, counts, pa.array(lower, kind), pa.array(upper, kind))


@given(entries=st.dictionaries(TEXT, st.tuples(st.integers(0, 2**63 - 1), st.booleans())))
@settings(deadline=None)
def test_files_are_read_back(entries: dict[str, tuple[int, bool]]) -> None:
    columns = {
        "name": pa.array(list(entries), pa.string()),
        "size": pa.array([size for size, _ in entries.values()], pa.int64()),
        "deleted": pa.array([deleted for _, deleted in entries.values()], pa.bool_()),
    }
    record = decoded(FILES_SCHEMA, files_value(pa.table(columns)))
    assert record["type"] == 2
    read = {name: (info["size"], info["isDeleted"]) for name, info in record["filesystemMetadata"].items()}
    assert read == entries


@pytest.mark.parametrize("deleted", [False, True])
def test_partitions_are_read_back(deleted: bool) -> None:
    record = decoded(FILES_SCHEMA, partitions_value(["", "p=a", "p=ä/q=1"], deleted=deleted))
    info = {"size": 0, "isDeleted": deleted}
    assert record == {"key": "", "type": 1, "filesystemMetadata": {".": info, "p=a": info, "p=ä/q=1": info}}


@pytest.mark.parametrize("kind", BOUNDS)
def test_bounds_are_read_back_exactly(kind: str) -> None:
    typed, values = BOUNDS[kind]
    lower, upper = [*values, None, None], [*values[::-1], None, values[0]]
    names = pa.array([f"f{place}.parquet" for place in range(len(lower))])
    partitions = pa.array(["p=1"] * len(lower))
    ((keys, encoded),) = column_stats_records(partitions, names, [a_column(typed, lower, upper)])
    by_name = {}
    for key, value in zip(keys.to_pylist(), encoded.to_pylist(), strict=True):
        record = decoded(COLUMN_STATS_SCHEMA, value)
        statistics = record["ColumnStatsMetadata"]
        assert (record["type"], statistics["columnName"], statistics["isDeleted"]) == (3, "a", False)
        name = statistics["fileName"]
        assert [key] == column_stats_keys("a", pa.array(["p=1"]), pa.array([name])).to_pylist()
        by_name[name] = statistics
    for place, name in enumerate(names.to_pylist()):
        count = None if place % 3 == 2 else place * 1000
        assert (by_name[name]["valueCount"], by_name[name]["nullCount"]) == (count, count)
        for bound, given_bound in (("minValue", lower[place]), ("maxValue", upper[place])):
            wrapped = by_name[name][bound]
            assert (None if wrapped is None else in_type(typed, wrapped["value"])) == given_bound


def test_hudi_rs_reads_bounds_of_every_type(tmp_path: Path) -> None:
    records: dict[bytes, bytes] = {}
    expected: dict[str, Any] = {}
    for kind, (typed, values) in BOUNDS.items():
        count, bound = pa.array([1], pa.int64()), pa.array(values[:1], typed)
        statistics = ColumnStatistics(kind, count, count, bound, bound)
        ((keys, encoded),) = column_stats_records(pa.array([""]), pa.array(["f"]), [statistics])
        records[keys[0].as_py()] = encoded[0].as_py()
        expected[kind] = values[0]
    sink = io.BytesIO()
    writer = HFileWriter(sink, schema=COLUMN_STATS_SCHEMA, record_key_range=True)
    writer.add(pa.array(sorted(records)), pa.array([records[key] for key in sorted(records)]))
    writer.close()
    read = hudi_rs.records(tmp_path, "column_stats", sink.getvalue())["ColumnStatsMetadata"].to_pylist()
    assert {
        each["columnName"]: in_type(BOUNDS[each["columnName"]][0], each["minValue"]["value"]) for each in read
    } == expected


def in_type(kind: pa.DataType, value: Any) -> Any:
    if pa.types.is_temporal(kind) and isinstance(value, int):
        unit = pa.int32() if pa.types.is_date(kind) else pa.int64()
        stored = kind if pa.types.is_date(kind) else pa.timestamp("us")
        return pa.array([value], unit).cast(stored)[0].as_py()
    return value


@pytest.mark.parametrize("kind", NOT_KEPT)
def test_a_bound_that_hudi_keeps_no_exact_form_of_is_left_out(kind: str) -> None:
    bound = NOT_KEPT[kind]
    count = pa.array([1], pa.int64())
    statistics = ColumnStatistics("a", count, count, bound, bound)
    ((_, values),) = column_stats_records(pa.array([""]), pa.array(["f"]), [statistics])
    record = decoded(COLUMN_STATS_SCHEMA, values[0].as_py())["ColumnStatsMetadata"]
    assert (record["minValue"], record["maxValue"], record["valueCount"]) == (None, None, 1)


def test_files_without_an_entry_are_left_out() -> None:
    column = a_column(pa.int32(), [1, 2, 3], [1, 2, 3])
    names = pa.array(["x", "y", "z"])
    some = ColumnStatistics(
        "a", *(column.value_count, column.null_count), column.lower, column.upper, np.array([True, False, True])
    )
    ((_, values),) = column_stats_records(pa.array([""] * 3), names, [some])
    found = {decoded(COLUMN_STATS_SCHEMA, value)["ColumnStatsMetadata"]["fileName"] for value in values.to_pylist()}
    assert found == {"x", "z"}


def test_columns_in_the_order_of_their_keys_are_sorted_throughout(tmp_path: Path) -> None:
    count = 500
    names = pa.array([f"f-{place}.parquet" for place in range(count)])
    partitions = pa.array([f"p={place % 7}" for place in range(count)])
    columns = sorted(("id", "name", "price", "at", "ok", "nested.a"), key=column_key)
    zeros = pa.array(np.zeros(count, np.int64))
    statistics = [
        ColumnStatistics(name, zeros, zeros, pa.array(range(count)), pa.array(range(count))) for name in columns
    ]
    sink = io.BytesIO()
    writer = HFileWriter(sink, schema=COLUMN_STATS_SCHEMA, record_key_range=True)
    for keys, values in column_stats_records(partitions, names, statistics):
        writer.add(keys, values)
    writer.close()
    read = hudi_rs.records(tmp_path, "column_stats", sink.getvalue())
    assert read["type"].to_pylist() == [3] * count * len(columns)
    keys = read_hfile(sink.getvalue(), "It").keys
    assert set(keys.to_pylist()) == {
        key for name in columns for key in column_stats_keys(name, partitions, names).to_pylist()
    }
    tombstones = list(column_stats_tombstones(partitions, names, columns[::-1]))
    assert pa.concat_arrays([each for each, _ in tombstones]).equals(keys)
    gone = decoded(COLUMN_STATS_SCHEMA, tombstones[0][1][0].as_py())["ColumnStatsMetadata"]
    assert (gone["isDeleted"], gone["columnName"], gone["minValue"]) == (True, columns[0], None)


@given(keys=st.lists(st.binary(max_size=3)))
@settings(deadline=None)
def test_of_records_with_the_same_key_the_last_stays(keys: list[bytes]) -> None:
    values = [b"%d" % place for place in range(len(keys))]
    sorted_keys, sorted_values = sorted_records(pa.array(keys, pa.binary()), pa.array(values, pa.binary()))
    expected = dict(zip(keys, values, strict=True))
    assert list(zip(sorted_keys.to_pylist(), sorted_values.to_pylist(), strict=True)) == sorted(expected.items())


@pytest.mark.parametrize("case", WITH_STATISTICS, ids=str)
def test_keys_are_those_that_hudi_itself_makes(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    metadata = table / ".hoodie" / "metadata"
    paths = {
        str(path.parent.relative_to(table)).removeprefix(".") for path in table.rglob(".hoodie_partition_metadata")
    }
    middles = {
        FileKeys(pa.array([path]), pa.array([""])).suffixes[0, :12].tobytes(): path
        for path in paths
        if not path.startswith("hoodie/")
    }
    seen = 0
    for log in metadata.glob("column_stats/.*.log.*"):
        if log.suffix == ".crc":
            continue
        for block in read_log(log.read_bytes(), str(log)):
            if block.type != HFILE_DATA:
                continue
            read = read_hfile(block.content, str(log))
            for key, value in zip(read.keys.to_pylist(), read.values.to_pylist(), strict=True):
                statistics = decoded(read.schema, value)["ColumnStatsMetadata"]
                partition, name = pa.array([middles[key[12:24]]]), pa.array([statistics["fileName"]])
                assert column_stats_keys(statistics["columnName"], partition, name).to_pylist() == [key]
                seen += 1
    assert seen > 0


def test_the_partition_list_has_hudis_name() -> None:
    assert ALL_PARTITIONS == "__all_partitions__"
