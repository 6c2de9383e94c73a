"""What the source tells of commits leads from any earlier state of a table to its current one."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.errors import FullSyncNeeded
from converters.iceberg.metadata.location import load_table
from converters.iceberg.source import IcebergSource, IcebergSourceOptions
from converters.model.change import Change
from converters.storage.object_store import ObjectStorage
from converters.sync.state import SyncState
from tests.changes import Files, change_between, files_of
from tests.corpus import Case, Corpus, cases
from tests.iceberg_source.deleted import DeletedRows, columns

STAGED = [case for case in cases("iceberg") if case.stages]
ALLOWED = IcebergSourceOptions(read_data=True)


def _open(table: Path, options: IcebergSourceOptions = ALLOWED) -> IcebergSource:
    return IcebergSource.open(ObjectStorage(), f"file://{table}", options)


def _at(table: Path, version: str) -> IcebergSource:
    return _open(table, IcebergSourceOptions(snapshot_id=int(version), read_data=True))


def _state(version: str | None) -> SyncState:
    return SyncState(last_instant=0, source_format="ICEBERG", source_version=version)


def _folded(before: Files, changes: Iterator[Change]) -> Iterator[tuple[Change, Files]]:
    """The files after each change, by what the change says; what it says of itself is checked."""
    files = dict(before)
    for change in changes:
        removed = change.removed.to_pylist()
        assert set(removed) <= set(files)
        added: Files = {}
        for batch in change.added():
            batch.validate(full=True)
            for row in batch.select(["path", "size", "row_count", "deletion_vector"]).to_pylist():
                assert row["path"] not in added
                vector = row["deletion_vector"]
                added[row["path"]] = (row["size"], row["row_count"], vector and vector["id"])
        assert not set(removed) & set(added)
        assert not change.adds_only_new or not set(added) & set(files)
        files = {path: file for path, file in files.items() if path not in removed} | added
        yield change, files


def _versions(corpus: Corpus, case: Case) -> list[str]:
    """The versions at each stage."""
    return [_open(corpus.path(case, stage)).snapshot().version for stage in range(1, len(case.stages) + 1)]


def _snapshots(location: str) -> list[str]:
    """The versions that the metadata has, and that of the empty table."""
    return ["0", *(str(each.snapshot_id) for each in load_table(ObjectStorage(), location).metadata.snapshots)]


@pytest.mark.parametrize("case", STAGED, ids=str)
def test_changes_lead_from_every_stage_to_every_later_one(case: Case, corpus: Corpus, tmp_path: Path) -> None:
    # All stages have to be at one place, as one table.
    stages = range(1, len(case.stages) + 1)
    known: dict[int, tuple[str, Files]] = {0: ("0", {})}
    for stage in stages:
        source = _open(corpus.copy(case, tmp_path, stage))
        snapshot = source.snapshot()
        known[stage] = snapshot.version, files_of(source)
        for before in range(stage):
            version, files = known[before]
            if case.name == "iceberg/expired" and version not in _snapshots(source.location()):
                with pytest.raises(FullSyncNeeded, match=f"the snapshot {version} has expired"):
                    list(source.changes(_state(version), snapshot))
                continue
            told = list(_folded(files, source.changes(_state(version), snapshot)))
            if not told:
                assert version == snapshot.version
                assert files == known[stage][1]
                continue
            assert told[-1][0].snapshot == snapshot
            assert told[-1][1] == known[stage][1]
            for (change, reached), at in itertools.product(told[:-1], known):
                if change.snapshot.version == known[at][0]:
                    assert reached == known[at][1]


@pytest.mark.parametrize("case", STAGED, ids=str)
def test_every_snapshot_on_the_way_is_the_table_as_it_was(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    source = _open(table)
    until = source.snapshot()
    seen = []
    for change, files in _folded({}, source.changes(_state("0"), until)):
        then = _at(table, change.snapshot.version)
        assert files == files_of(then)
        told, read = change.snapshot, then.snapshot()
        assert (told.version, told.committed_at, told.file_count) == (read.version, read.committed_at, read.file_count)
        if told.version != until.version:
            assert told.table.schema == read.table.schema
        assert told.table.default_spec in told.table.specs
        seen.append(told.version)
    line = []
    metadata = load_table(ObjectStorage(), f"file://{table}").metadata
    at = metadata.current_snapshot
    while at is not None:
        line.append(str(at.snapshot_id))
        at = None if at.parent_snapshot_id is None else metadata.snapshot_of(at.parent_snapshot_id)
    assert seen == line[::-1]


@pytest.mark.parametrize("case", STAGED, ids=str)
def test_changes_lead_back_from_newer_snapshots_and_from_given_up_ones(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    for since, until in itertools.permutations(_snapshots(f"file://{table}"), 2):
        if until == "0":
            continue
        source = _at(table, until)
        snapshot = source.snapshot()
        before = {} if since == "0" else files_of(_at(table, since))
        told = list(_folded(before, source.changes(_state(since), snapshot)))
        assert told[-1][0].snapshot == snapshot
        assert told[-1][1] == files_of(source)


@pytest.mark.parametrize("case", STAGED, ids=str)
def test_what_is_told_of_a_file_is_what_a_whole_read_says(case: Case, corpus: Corpus) -> None:
    table = corpus.path(case)
    source = _open(table)
    until = source.snapshot()
    before = _versions(corpus, case)[-2]
    told = {}
    for change in source.changes(_state(before), until):
        if change.snapshot.version == until.version:
            told = _rows(change.added())
    whole = _rows(source.data_files(until))
    assert told == {path: whole[path] for path in told}


def _rows(batches: Iterator[pa.RecordBatch]) -> dict[str, dict[str, Any]]:
    rows = {row["path"]: row for batch in batches for row in batch.to_pylist()}
    for stats in (stats for row in rows.values() for stats in row["stats"].values()):
        if stats["lower"] is None and stats["upper"] is None:
            stats["exact"] = None  # says nothing
    return rows


def test_a_version_that_is_no_snapshot_wants_a_full_sync(corpus: Corpus) -> None:
    source = _open(corpus.path("iceberg/simple"))
    for version in ("7", "nonsense", None):
        with pytest.raises(FullSyncNeeded):
            list(source.changes(_state(version), source.snapshot()))


def test_nothing_is_told_where_nothing_has_changed(corpus: Corpus) -> None:
    source = _open(corpus.path("iceberg/simple"))
    snapshot = source.snapshot()
    assert list(source.changes(_state(snapshot.version), snapshot)) == []


def test_an_append_is_told_as_new_files_alone(corpus: Corpus, tmp_path: Path) -> None:
    first = _open(corpus.copy("iceberg/simple", tmp_path, 1))
    files = files_of(first)
    version = first.snapshot().version
    source = _open(corpus.copy("iceberg/simple", tmp_path, 2))
    wanted = change_between(files, source)
    (change,) = source.changes(_state(version), source.snapshot())
    assert change.removed == wanted.removed
    assert pa.Table.from_batches(change.added()).equals(pa.Table.from_batches(wanted.added()))


KINDS = st.sampled_from(["data", "positions", "partition", "vector", "values", "everywhere"])
COMMITS = st.lists(
    st.tuples(st.lists(KINDS, max_size=3), st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 999)),
    min_size=1,
    max_size=6,
)


@given(COMMITS)
@settings(max_examples=40)
def test_changes_tell_of_any_history_what_whole_reads_tell(commits: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = DeletedRows(Path(folder) / "t")
        snapshots = _history(made, commits)
        made.finish()
        files = {number: files_of(made.source(snapshot=number)) for number in snapshots}
        for since, until in itertools.permutations(snapshots, 2):
            source = made.source(snapshot=until)
            snapshot = source.snapshot()
            told = list(_folded(files[since], source.changes(_state(str(since)), snapshot)))
            assert told[-1][0].snapshot == snapshot
            for change, reached in told:
                assert reached == files[int(change.snapshot.version)]


def _history(made: DeletedRows, commits: list[Any]) -> list[int]:
    """Commits of random content, some of which remove files, rewrite manifests or build on an earlier snapshot."""
    snapshots: list[int] = []
    data: dict[str, int | None] = {}
    vectors: dict[str, str] = {}
    for number, (kinds, removals, rewritten, back, seed) in enumerate(commits):
        sequence, dice = number + 1, random.Random(seed)
        removed = set(dice.sample(sorted(data), min(removals, len(data))))
        for place, kind in enumerate([*kinds, "data"] if not data else kinds):
            name = f"{kind}-{number}-{place}"
            about = dice.choice(sorted(data)) if data else ""
            rows = columns({1: "id"}, id=[dice.randrange(4) for _ in range(3)])
            p = dice.choice([None, 1, 2])
            where: dict[str, Any] = {"sequence": sequence, "spec": 0 if p else 1, "p": p}
            if kind == "data":
                made.data(name, rows, **where)
                data[name] = p
            elif not data:
                continue
            elif kind == "vector":
                if vectors.get(about, "").startswith(f"vector-{number}-"):
                    continue  # a snapshot has one vector for a file
                removed |= {vectors[about]} if about in vectors else set()
                vectors[about] = name
                made.vector(name, about, [dice.randrange(3)], sequence=sequence)
            elif kind == "positions":
                made.positions(name, [(about, dice.randrange(3))], referenced_data_file=made.path(about), **where)
            elif kind == "partition":
                p = data[about]
                made.positions(name, [(about, dice.randrange(3))], sequence=sequence, spec=0 if p else 1, p=p)
            else:
                where = {"spec": 1} if kind == "everywhere" else {"spec": 0, "p": data[about]}
                made.values(name, rows.slice(0, 1), [1], sequence=sequence, **where)
        parent = dice.choice(snapshots) if back and snapshots and not vectors else None
        snapshots.append(made.commit(removed=removed, rewritten=rewritten, parent=parent))
    return snapshots


@pytest.mark.parametrize("spec, p", [(0, 4), (1, None)])
def test_positions_of_a_partition_change_the_files_that_they_name(tmp_path: Path, spec: int, p: int | None) -> None:
    made = DeletedRows(tmp_path / "t")
    for name in ("a", "b"):
        made.data(name, columns({1: "id"}, id=[1, 2, 3]), spec=spec, p=p)
    first = made.commit()
    made.positions("d", [("b", 1), ("gone", 1)], sequence=2, spec=spec, p=p)
    second = made.commit()
    made.finish()
    source = made.source(snapshot=second)
    before = files_of(made.source(snapshot=first))
    ((change, reached),) = _folded(before, source.changes(_state(str(first)), source.snapshot()))
    assert reached == files_of(source)
    assert [path.rpartition("/")[2] for batch in change.added() for path in batch.column("path").to_pylist()] == ["b"]


def test_facts_about_columns_are_those_of_then(corpus: Corpus) -> None:
    source = _open(corpus.path("iceberg/evolve"))
    tables = [change.snapshot.table for change in source.changes(_state("0"), source.snapshot())]
    ids = {name: node.id for table in tables for name, node in ((node.dotted, node) for node in table.schema.nodes)}
    names = [{node.dotted for node in table.schema.nodes} for table in tables]
    renamed = next(place for place, each in enumerate(names) if "full_name" in each)
    widened = next(place for place, table in enumerate(tables) if table.promotions)
    assert [table.names_are_stable for table in tables] == [place < renamed for place in range(len(tables))]
    assert all(table.promotions.get(ids["id"]) == "int" for table in tables[widened:])


@pytest.mark.parametrize("gone", ["list", "manifest"])
def test_a_snapshot_whose_metadata_is_gone_wants_a_full_sync(tmp_path: Path, gone: str) -> None:
    made = DeletedRows(tmp_path / "t")
    for name in ("a", "b"):
        made.data(name, columns({1: "id"}, id=[1]))
    first = made.commit()
    second = made.commit(removed=["a"])
    made.finish()
    name = f"snap-{first}.avro" if gone == "list" else "m0.avro"
    (made.table.folder / "metadata" / name).unlink()
    source = made.source(snapshot=second)
    with pytest.raises(FullSyncNeeded, match="cannot be read any more"):
        list(source.changes(_state(str(first)), source.snapshot()))


def test_a_file_that_is_listed_twice_wants_a_full_sync(tmp_path: Path) -> None:
    made = DeletedRows(tmp_path / "t")
    made.data("a", columns({1: "id"}, id=[1]))
    first = made.commit()
    for _ in range(2):
        made.data("b", columns({1: "id"}, id=[2]), sequence=2)
    source = made.finish()
    with pytest.raises(FullSyncNeeded, match="/b' is listed twice"):
        list(source.changes(_state(str(first)), source.snapshot()))


def test_a_branch_is_followed_and_left_again(tmp_path: Path) -> None:
    made = DeletedRows(tmp_path / "t")
    commits: list[int] = []
    for name, parent in (("a", None), ("b", None), ("c", 0)):
        made.data(name, columns({1: "id"}, id=[1]))
        commits.append(made.commit(parent=None if parent is None else commits[parent]))
    made.finish(refs={name: {"snapshot-id": commits[at], "type": "branch"} for name, at in (("main", 1), ("dev", 2))})
    steps = {}
    for name, since in (("dev", commits[1]), ("main", commits[2])):
        source = _open(made.table.folder, IcebergSourceOptions(ref=name))
        before = files_of(made.source(snapshot=since))
        told = list(_folded(before, source.changes(_state(str(since)), source.snapshot())))
        assert told[-1][1] == files_of(source)
        steps[name] = [change.snapshot.version for change, _ in told]
    assert steps == {"dev": [str(commits[0]), str(commits[2])], "main": [str(commits[0]), str(commits[1])]}
