"""The metadata tables that Hudi itself wrote say the same as the directories and the Parquet footers do."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hudi import HudiReadOptions, HudiTableBuilder

from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.table_config import TableConfig, read_table_config
from converters.hudi.timeline.active import read_timeline
from converters.storage.object_store import ObjectStorage
from tests.corpus import Case, Corpus
from tests.hudi_containers.tables import READ_BY_HUDI_RS, WITH_METADATA, WITH_STATISTICS, WITHOUT_METADATA

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def config_of(table: Path) -> TableConfig:
    config = read_table_config(ObjectStorage(), table.as_uri())
    assert config is not None
    return config


def opened(table: Path) -> MetadataTable:
    storage, config = ObjectStorage(), config_of(table)
    found = MetadataTable.open(storage, table.as_uri(), config, read_timeline(storage, table.as_uri(), config))
    assert found is not None
    return found


def on_disk(table: Path) -> set[tuple[str, str, int]]:
    found = set()
    for path in table.rglob("*"):
        parent = path.relative_to(table).parent
        if parent.parts[:1] == (".hoodie",) or not path.is_file() or path.suffix == ".crc":
            continue
        if path.name != ".hoodie_partition_metadata":
            found.add(("" if parent == Path() else str(parent), path.name, path.stat().st_size))
    return found


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


@pytest.mark.parametrize("case", WITH_METADATA, ids=str)
def test_files_and_partitions_are_those_on_disk_after_every_commit(case: Case, corpus: Corpus) -> None:
    for stage in (None, *range(1, len(case.stages) + 1)):
        table = corpus.path(case, stage)
        metadata_table = opened(table)
        files = rows(metadata_table.files())
        assert len(files) == len(set(files))
        assert set(files) == on_disk(table)
        assert {partition for partition, _, _ in files} <= set(metadata_table.partitions())
        marked = {path.parent.relative_to(table) for path in table.rglob(".hoodie_partition_metadata")}
        marked = {path for path in marked if path.parts[:1] != (".hoodie",)}
        assert set(metadata_table.partitions()) == {"" if path == Path() else str(path) for path in marked}


@pytest.mark.parametrize("case", READ_BY_HUDI_RS, ids=str)
def test_the_files_that_hudi_rs_reads_are_among_them(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    files = {(partition, name): size for partition, name, size in rows(opened(table).files())}
    slices = HudiTableBuilder.from_base_uri(table.as_uri()).build().get_file_slices(HudiReadOptions())
    assert slices
    for each in slices:
        for name in [each.base_file_name, *each.log_file_names]:
            assert (each.partition_path, name) in files


def number(value: Any, unit: str) -> int:
    """A time as a number in a unit."""
    if isinstance(value, dt.datetime):
        since = (value if value.tzinfo else value.replace(tzinfo=dt.UTC)) - EPOCH
        return since // dt.timedelta(**{unit: 1})
    return value if isinstance(value, int) else (value - EPOCH.date()).days


def comparable(value: Any, other: Any, unit: str) -> Any:
    """A value as the other one is written: version 1 keeps dates and timestamps as bare numbers."""
    if isinstance(other, int) and not isinstance(value, int | float):
        return number(value, unit)
    if isinstance(value, dt.datetime):
        return number(value, "microseconds")
    if isinstance(value, bytes) and isinstance(other, str):
        return value.decode()
    return value


@pytest.mark.parametrize("case", WITH_STATISTICS, ids=str)
def test_statistics_are_those_of_the_footers(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    metadata_table = opened(table)
    files = metadata_table.files()
    files = files.filter(pa.array([name.endswith(".parquet") for name in files["name"].to_pylist()]))
    checked = 0
    footers = [pq.read_metadata(table / partition / name) for partition, name, _ in rows(files)]
    leaves = sorted({footer.schema.column(place).path for footer in footers for place in range(footer.num_columns)})
    read = metadata_table.column_stats(files, leaves)
    assert read is not None
    assert read.num_rows == len(footers)
    for row, footer in enumerate(footers):
        for place in range(footer.num_columns):
            column = footer.schema.column(place)
            found = read[column.path][row].as_py()
            if found is None:
                continue
            groups = [footer.row_group(group).column(place) for group in range(footer.num_row_groups)]
            assert found["value_count"] == sum(group.num_values for group in groups)
            nulls = sum(group.statistics.null_count for group in groups)
            assert found["null_count"] == (None if nulls == found["value_count"] else nulls)
            unit = "milliseconds" if "milliseconds" in str(column.logical_type) else "microseconds"
            has_bounds = [group.statistics for group in groups if group.statistics.has_min_max]
            bounds = [bound for each in has_bounds for bound in (each.min, each.max)]
            for bound, pick in (("min", min), ("max", max)):
                if found[bound] is None:
                    has_nan = any(isinstance(value, float) and math.isnan(value) for value in bounds)
                    assert not bounds or has_nan or column.physical_type == "INT96"
                    continue
                expected = pick(bounds)
                assert comparable(found[bound], expected, unit) == comparable(expected, found[bound], unit), column.path
                checked += 1
    assert checked > 0


def test_a_file_without_an_entry_has_no_statistics(corpus: Corpus) -> None:
    table = corpus.path(WITH_STATISTICS[0])
    unknown = pa.table({"partition": ["", "p=x"], "name": ["no-such-file.parquet", "nor-this.parquet"]})
    read = opened(table).column_stats(unknown, ["id", "no such column"])
    assert read is not None
    assert [column.null_count for column in read.columns] == [2, 2]


@pytest.mark.parametrize("case", WITHOUT_METADATA, ids=str)
def test_a_table_that_may_not_use_its_metadata_table_has_none(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    config = config_of(table)
    timeline = read_timeline(ObjectStorage(), table.as_uri(), config)
    assert MetadataTable.open(ObjectStorage(), table.as_uri(), config, timeline) is None
