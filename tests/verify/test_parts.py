"""Tables are compared in parts by path; into how many they are cut makes no difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.deletes.blob import blob_of
from converters.model.data_file import data_file_batch, data_file_schema
from converters.model.deletion_vector import DELETION_VECTOR
from converters.model.partition import UNPARTITIONED
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import PRIMITIVE_KINDS, Field
from converters.storage import ObjectStorage, Roots
from converters.verification.bounds import BoundsCheck
from converters.verification.deletes import DeleteCheck
from converters.verification.files import FileCheck
from converters.verification.listing import Listing, together
from converters.verification.report import Check

SCHEMA = Schema((Field(id=1, name="n", type=PRIMITIVE_KINDS["long"]),))
SHAPE = data_file_schema(SCHEMA, [UNPARTITIONED])
TABLE = Table(format="ICEBERG", location="file:///t", id="x", schema=SCHEMA, metadata_path="", schema_text="")
Files = dict[str, tuple[int, int]]
"""Row count and lower bound, by name."""


def _batches(files: Files, vectors: dict[str, bytes] | None = None, size: int = 3) -> list[pa.RecordBatch]:
    names = list(files)
    batches: list[pa.RecordBatch] = []
    for start in range(0, len(names), size):
        part = names[start : start + size]
        columns = {
            "path": pa.array([f"file:///t/{name}" for name in part]),
            "size": pa.array([1] * len(part)),
            "row_count": pa.array([files[name][0] for name in part], pa.int64()),
            "spec_id": pa.array([0] * len(part)),
            "deletion_vector": pa.array([_vector((vectors or {}).get(name)) for name in part], DELETION_VECTOR),
        }
        stats = {1: {"lower": pa.array([files[name][1] for name in part], pa.int64())}}
        batches.append(data_file_batch(SHAPE, columns, {}, stats))
    return batches


def _vector(blob: bytes | None) -> dict[str, object] | None:
    if blob is None:
        return None
    return {"id": str(hash(blob)), "path": None, "offset": None, "length": None, "inline": blob, "cardinality": 2}


def _listing(batches: list[pa.RecordBatch], parts: int, directory: Path) -> Listing:
    directory.mkdir(exist_ok=True)
    return Listing.of(iter(batches), parts, directory, Roots.everywhere())


def _compared(source: list[pa.RecordBatch], target: list[pa.RecordBatch], parts: int, work: Path) -> list[Check]:
    ours, theirs = (_listing(batches, parts, work / name) for batches, name in ((source, "s"), (target, "t")))
    storage = ObjectStorage()
    checks = (FileCheck(), DeleteCheck(storage), BoundsCheck(TABLE, TABLE, storage))
    for part in together(ours, theirs, parts):
        for check in checks:
            check.take(part)
    return [each for check in checks for each in check.checks()]


files = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.tuples(st.integers(1, 3), st.just(0)), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(source=files, target=files, parts=st.sampled_from([2, 5]))
def test_parts_make_no_difference(source: Files, target: Files, parts: int, tmp_path: Path) -> None:
    whole = _compared(_batches(source), _batches(target), 1, tmp_path)
    cut = _compared(_batches(source), _batches(target), parts, tmp_path)
    assert [(each.name, each.result, each.detail) for each in whole] == [
        (each.name, each.result, each.detail) for each in cut
    ]
    found = {each.name: each for each in whole}
    missing, extra = source.keys() - target.keys(), target.keys() - source.keys()
    if missing or extra:
        assert f"{len(missing)} missing, {len(extra)} extra, 0 repeated" in found["files"].detail
    else:
        assert found["files"].result == "ok"
    wrong = [name for name in source.keys() & target.keys() if source[name][0] != target[name][0]]
    assert (found["row-counts"].result == "differs") == bool(wrong)


def test_a_file_that_the_target_has_twice(tmp_path: Path) -> None:
    batches = _batches({"a": (1, 0)})
    found = _compared(batches, [*batches, *batches], 1, tmp_path)[0]
    assert (found.result, found.examples) == ("differs", ("file:///t/a: the target has it more than once",))


ONE, OTHER = blob_of(np.array([1, 5], np.uint64)), blob_of(np.array([1, 6], np.uint64))


@pytest.mark.parametrize(
    "source,target,said",
    [
        ({"a": ONE}, {"a": ONE}, None),
        ({"a": ONE}, {}, "file:///t/a: 2 rows are deleted in the source, 0 in the target"),
        ({}, {"a": ONE}, "file:///t/a: 0 rows are deleted in the source, 2 in the target"),
        ({"a": ONE}, {"a": OTHER}, "file:///t/a: other rows are deleted in the target than in the source"),
    ],
    ids=["same", "dropped", "invented", "others"],
)
def test_deleted_rows(source: dict[str, bytes], target: dict[str, bytes], said: str | None, tmp_path: Path) -> None:
    live = {"a": (9, 0), "b": (9, 0)}
    checks = _compared(_batches(live, source), _batches(live, target), 1, tmp_path)
    (found,) = [check for check in checks if check.name == "deletes"]
    if said is None:
        assert found.result == "ok"
        assert "2 rows of 1 files are deleted, positions of 1 compared" in found.detail
    else:
        assert (found.result, found.examples) == ("differs", (said,))
