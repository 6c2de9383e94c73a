"""Real tables, followed commit by commit from another directory: read at the end, and at each version on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from converters.delta import DeltaTarget
from converters.delta.target import DeltaTargetOptions
from converters.model import Snapshot
from converters.registry import source_class
from converters.storage import ObjectStorage
from converters.sync.state import SourceMark, SyncState
from tests.changes import Files, change_between, files_of
from tests.corpus import Corpus, case
from tests.readers import Reader, assert_same_rows, canonical_rows, digest, read

ENGINES: tuple[Reader, ...] = ("spark", "duckdb", "deltalake")


def _state(snapshot: Snapshot) -> SyncState:
    table = snapshot.table
    carried = repr((table.schema, table.specs, table.name))
    mark = SourceMark(table_id="the same", fingerprint=hashlib.sha256(carried.encode()).hexdigest())
    return SyncState(
        last_instant=snapshot.committed_at, source_format=table.format, source_version=snapshot.version, mark=mark
    )


@pytest.mark.parametrize(
    "name, stages",
    [
        ("iceberg/mor_dv_v3", None),
        ("iceberg/mor_posdel_v2", None),
        ("iceberg/cow_dml", None),
        ("iceberg/evolve", 3),
        ("iceberg/part_string", None),
        ("hudi/cow_v6", None),
        ("hudi/evolve", None),
    ],
)
def test_each_stage_is_a_version(name: str, stages: int | None, corpus: Corpus, tmp_path: Path) -> None:
    table = case(name)
    storage = ObjectStorage()
    place = tmp_path / "delta"
    target = DeltaTarget.open(storage, f"file://{place}", DeltaTargetOptions())
    before: Files = {}
    last = stages or len(table.stages)
    for stage in range(1, last + 1):
        location = corpus.copy(table, tmp_path, stage)
        plugin = source_class(table.format)
        source = plugin.open(storage, f"file://{location}", plugin.options_type())
        change = change_between(before, source)
        target.check(change.snapshot)
        base = target.current()
        if base is None:
            target.replace(change.snapshot, change.added(), _state(change.snapshot), None)
        else:
            assert base.changed is None
            target.advance(change, _state(change.snapshot), base)
        before = files_of(source)
        for version in {0, stage - 1}:
            found = read("delta", place, "deltalake", version=version)
            if (location / "data").exists() or version == stage - 1:  # Hudi cleans old files away
                assert digest(canonical_rows(found)) == table.at(version + 1).sha256
    assert_same_rows("delta", place, corpus.rows(table, last), ENGINES)
