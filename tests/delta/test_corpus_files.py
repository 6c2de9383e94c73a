"""What is read from real tables is what delta-rs reads and what the data files hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from converters.delta import DeltaSource
from converters.delta.source import DeltaSourceOptions
from converters.model import Leaf, Snapshot, stat
from converters.parquet import field_id_presence
from converters.storage import ObjectStorage
from tests.corpus import Case, Corpus, cases

CASES = cases("delta")


def _read(directory: Path) -> tuple[Snapshot, list[pa.RecordBatch]]:
    source = DeltaSource.open(ObjectStorage(), f"file://{directory}", DeltaSourceOptions())
    snapshot = source.snapshot()
    return snapshot, list(source.data_files(snapshot))


def _files(directory: Path) -> Iterator[tuple[Snapshot, pa.RecordBatch]]:
    snapshot, batches = _read(directory)
    for batch in batches:
        for row in range(len(batch)):
            yield snapshot, batch.slice(row, 1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_files_are_those_of_delta_rs(corpus: Corpus, case: Case) -> None:
    directory = corpus.path(case)
    table = DeltaTable(directory)
    adds = {
        f"file://{directory}/{unquote(add['path'])}": add
        for add in pa.table(table.get_add_actions(flatten=True)).to_pylist()
    }
    found: dict[str, pa.RecordBatch] = {}
    for snapshot, file in _files(directory):
        path = file["path"][0].as_py()
        assert path not in found
        found[path] = file
        assert file["size"][0].as_py() == adds[path]["size_bytes"]
        for field in snapshot.table.default_spec.fields:
            assert file["partition"][0].as_py()[str(field.id)] == adds[path][f"partition.{field.name}"]
    assert found.keys() == adds.keys()
    snapshot, batches = _read(directory)
    assert snapshot.version == str(table.version())
    assert snapshot.table.id == str(table.metadata().id)
    deleted = sum(pc.sum(batch["deletion_vector"].field("cardinality")).as_py() or 0 for batch in batches)
    assert sum(pc.sum(batch["row_count"]).as_py() for batch in batches) - deleted == case.contents.rows


@pytest.mark.parametrize("case", CASES, ids=str)
def test_statistics_hold_for_the_data(corpus: Corpus, case: Case) -> None:
    for snapshot, file in _files(corpus.path(case)):
        path = file["path"][0].as_py().removeprefix("file://")
        data = pq.ParquetFile(path, coerce_int96_timestamp_unit="us").read()
        assert file["row_count"][0].as_py() == len(data)
        for leaf in snapshot.table.schema.leaves:
            values = _column(data, leaf)
            if values is not None:
                _check_leaf(file, leaf, values)


def _column(data: pa.Table, leaf: Leaf) -> pa.Array | None:
    values: Any = data
    for name in leaf.stored_path:
        if isinstance(values, pa.Table):
            if name not in values.column_names:
                return None
            values = pa.concat_arrays(values[name].chunks) if len(data) else pa.array([], values[name].type)
        elif values.type.get_field_index(name) < 0:
            return None
        else:
            values = pc.struct_field(values, name)
    return values


def _check_leaf(file: pa.RecordBatch, leaf: Leaf, values: pa.Array) -> None:
    known = {name: stat(file, leaf.field.id, name) for name in ("null_count", "lower", "upper", "exact")}
    assert known["null_count"][0].as_py() in {None, values.null_count}, leaf.path
    present = values.drop_null()
    if pa.types.is_floating(present.type):
        present = present.filter(pc.invert(pc.is_nan(present)))
    if not len(present):
        return
    lower, upper = known["lower"], known["upper"]
    if pa.types.is_timestamp(present.type):
        lower, upper, present = (each.cast(pa.int64()) for each in (lower, upper, present))
    elif present.type != lower.type:
        present = present.cast(lower.type)
    least, most = pc.min(present).as_py(), pc.max(present).as_py()
    low, high = lower[0].as_py(), upper[0].as_py()
    assert low is None or low <= least, leaf.path
    assert high is None or high >= most, leaf.path
    if known["exact"][0].as_py():
        assert low in {None, least}, leaf.path
        assert high in {None, most}, leaf.path


def test_extremes(corpus: Corpus) -> None:
    _, [batch] = _read(corpus.path("delta/types_extremes"))
    stats = batch["stats"].to_pylist()[0].values()
    lows, highs = ([each[side] for each in stats] for side in ("lower", "upper"))
    assert -(2**63) in lows
    assert 2**63 - 1 in highs
    assert -math.inf in lows
    assert not any(isinstance(each, float) and math.isnan(each) for each in lows + highs)
    assert any(str(each) == "9999999999999999999999999999.9999999999" for each in highs)


@pytest.mark.parametrize(
    "name,presence", [("delta/simple", "none"), ("delta/colmap_name", "all"), ("delta/colmap_upgrade", "unknown")]
)
def test_field_ids_in_data_files(corpus: Corpus, name: str, presence: str) -> None:
    _, batches = _read(corpus.path(name))
    paths = [path for batch in batches for path in batch["path"].to_pylist()]
    assert field_id_presence(ObjectStorage(), paths, [0] * len(paths)) == presence
