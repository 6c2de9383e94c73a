"""Changes of Hudi tables, one after the other, lead from the files of any former state to those of the present one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pyarrow as pa
import pytest

from converters.errors import FullSyncNeeded, UnsupportedTableFeature
from converters.hudi.source import HudiSource
from converters.model.change import Change
from converters.model.data_file import data_file_schema
from converters.model.snapshot import Snapshot
from converters.sync.state import SourceMark, SyncState
from tests.changes import Files, files_listed, files_of
from tests.hudi_source.tables import opened

STAGES = Path("/corpus/stages/hudi")
ARCHIVED = "archived"
"""A chain whose first commit is archived at its second stage."""


def state_of(snapshot: Snapshot, now: Snapshot | None = None) -> SyncState:
    """What a sync to a snapshot leaves, of the table that lies where the snapshot ``now`` is from."""
    memory = snapshot.memory
    if memory and now is not None:
        memory = json.dumps({**json.loads(memory), "key": json.loads(now.memory or snapshot.memory)["key"]})
    return SyncState(
        last_instant=snapshot.committed_at,
        source_format="HUDI",
        source_version=snapshot.version,
        pending_instants=snapshot.pending_instants,
        mark=SourceMark(table_id="", fingerprint="", memory=memory),
    )


def relative(files: Files, source: HudiSource) -> Files:
    """The files by their paths from the table's directory."""
    return {path.removeprefix(source.location()): said for path, said in files.items()}


def fold(files: Files, change: Change, source: HudiSource) -> Files:
    """The files after a change, checked for what a change promises."""
    added: Files = {}
    for batch in change.added():
        assert batch.schema == _shape(change)
        rows = batch.select(["path", "size", "row_count", "deletion_vector"]).to_pylist()
        for row in rows:
            path = row["path"].removeprefix(source.location())
            assert path not in added
            assert row["row_count"] is not None
            added[path] = (row["size"], row["row_count"], row["deletion_vector"])
    removed = {path.removeprefix(source.location()) for path in change.removed.to_pylist()}
    assert removed <= files.keys()
    assert not removed & added.keys()
    if change.adds_only_new:
        assert not added.keys() & files.keys()
    return {**{path: said for path, said in files.items() if path not in removed}, **added}


def _shape(change: Change) -> pa.Schema:
    return data_file_schema(change.snapshot.table.schema, change.snapshot.table.specs)


def check_chain(tables: list[Path], **options: object) -> list[int]:
    """Fold the changes between every two of some states of a table; returns how many changes each pair took."""
    sources = [opened(table, **options) for table in tables]
    states = [(source, source.snapshot(), relative(files_of(source), source)) for source in sources]
    known = {(snapshot.version, snapshot.pending_instants): (snapshot, files) for _, snapshot, files in states}
    counts: list[int] = []
    for (_, since, before), (source, until, after) in itertools.combinations(states, 2):
        files, last = before, None
        counts.append(0)
        for change in source.changes(state_of(since), until):
            files, last = fold(files, change, source), change.snapshot
            counts[-1] += 1
            if (last.version, last.pending_instants) in known:
                expected, expected_files = known[last.version, last.pending_instants]
                assert files == expected_files
                assert is_like(last, expected)
        assert files == after
        assert last is until or (last is None and since.version == until.version)
        check_remembering(Path(source.location().removeprefix("file://")), since, until, before, after, options)
    return counts


def check_remembering(
    table: Path, since: Snapshot, until: Snapshot, before: Files, after: Files, options: dict[str, object]
) -> None:
    """A source that is told what it said of a former state says the same as one that reads all files."""
    source = opened(table, **options)
    source.recall([state_of(since, until)])
    told = source.snapshot()
    if told.file_count is not None:
        return  # it read all of them
    notes = source.notes()
    assert is_like(told, until)
    known, read = told.table, until.table
    assert known.promotions.items() >= read.promotions.items()
    assert known.two_level_lists.keys() >= read.two_level_lists.keys()
    assert set(known.other_columns) >= set(read.other_columns)
    assert (known.names_are_stable, known.field_ids) == (read.names_are_stable, read.field_ids)
    files = before
    for change in source.changes(state_of(since, until), told):
        files = fold(files, change, source)
    assert files == after
    assert relative(files_listed(source.data_files(told)), source) == after
    again = opened(table, **options)
    again.recall([state_of(told)])
    assert again.snapshot() == told
    assert again.notes() == notes


def is_like(told: Snapshot, read: Snapshot) -> bool:
    """Whether a snapshot on the way is as one that was read when it was the newest."""
    known = [
        (each.version, each.committed_at, each.pending_instants, each.table.schema, each.table.specs)
        for each in (told, read)
    ]
    return known[0] == known[1]


def readable(tables: list[Path]) -> list[Path]:
    """Those of the states that can be converted."""
    found = []
    for table in tables:
        try:
            opened(table).snapshot()
        except UnsupportedTableFeature:
            continue
        found.append(table)
    return found


@pytest.mark.parametrize("case", sorted({path.name for path in STAGES.iterdir()} - {ARCHIVED}))
def test_changes_lead_from_each_stage_of_a_table_to_each_later_one(case: str) -> None:
    stages = sorted((STAGES / case).iterdir())
    counts = check_chain(readable(stages))
    assert all(counts)


def test_what_was_archived_is_not_told() -> None:
    before, source = (opened(STAGES / ARCHIVED / stage) for stage in ("stage1", "stage2"))
    with pytest.raises(FullSyncNeeded, match="is archived"):
        next(source.changes(state_of(before.snapshot()), source.snapshot()))


@pytest.mark.parametrize("case", ["mor_v6", "mor_v9", "sql_table"])
def test_so_they_do_where_log_files_are_left_out(case: str) -> None:
    check_chain(sorted((STAGES / case).iterdir()), read_optimized=True)
