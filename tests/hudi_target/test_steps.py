"""Changes applied one by one: each reader sees the source's rows now, and those of each step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from converters.errors import FullSyncNeeded, UnsupportedTableFeature
from converters.formats import Commit
from converters.hudi.writing import update
from converters.hudi.writing.upkeep import Pace
from converters.model import PRIMITIVE_KINDS, Field, Schema, arrow_type
from converters.model.change import NO_PATHS, Change
from converters.storage import ObjectStorage
from tests.corpus import Corpus, case
from tests.hudi_target.made import SPARKS, Delta, HudiMade, ids, schema_of
from tests.hudi_target.steps import Steps
from tests.readers import canonical_rows, digest, hudi

CHAINS = ["delta/dml_nodv", "delta/evolve", "delta/optimized", "delta/restore", "iceberg/cow_dml", "iceberg/overwrites"]
SEEN_BY_ALL = {"delta/dml_nodv", "iceberg/overwrites"}


class Reads(ObjectStorage):
    """Notes what is read as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: list[str] = []

    def get(self, path: str, **more: int) -> bytes:
        self.whole.append(path)
        return super().get(path, **more)


def _left(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((directory / ".hoodie").rglob("*")) if path.is_file()}


@pytest.mark.parametrize("partitioned", [True, False])
def test_every_step_can_be_travelled_to(tmp_path: Path, partitioned: bool) -> None:
    table = Delta(tmp_path / "t", partitioned=partitioned)
    table.append(0, 10)
    steps = Steps(table.directory)
    states = {steps.replace().version: table.ids()}
    for act in (lambda: table.append(10, 4), lambda: table.delete("id < 3"), lambda: table.append(20, 1)):
        act()
        commit = steps.advance()
        assert commit.version not in states
        states[commit.version] = table.ids()
    table.delete("id >= 0")
    assert steps.advance().files_added == 0
    states[steps.current().version] = []
    assert sorted(states) == list(states)
    for reader in SPARKS:
        for instant, rows in states.items():
            assert ids(reader, table.directory, version=instant) == rows, (reader, instant)
            known = [each for each in rows if 9 < each < 12]
            assert ids(reader, table.directory, "id > 9 AND id < 12", version=instant) == known, (reader, instant)


def test_steps_of_a_table_of_version_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "FILES_PACE", Pace(2, 2, 0))
    monkeypatch.setattr(update, "STATISTICS_PACE", Pace(2, 2, 0))
    table = Delta(tmp_path / "t")
    table.append(0, 12)
    steps = Steps(table.directory, table_version=9)
    states = {steps.replace().version: table.ids()}
    for number in range(1, 5):
        table.append(number * 20, 12)
        table.delete(f"id = {number * 20}")
        states[steps.advance().version] = table.ids()
    for instant, rows in states.items():
        assert ids(SPARKS[0], table.directory, version=instant) == rows, instant
    assert ids(SPARKS[0], table.directory, "id > 80 AND id < 83") == [81, 82]


def test_files_are_skipped_by_the_statistics_of_steps(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t", partitioned=False)
    table.append(0, 10)
    steps = Steps(table.directory)
    steps.replace()
    for first in (100, 200, 300):
        table.append(first, 10)
        steps.advance()
    for reader in SPARKS:
        assert ids(reader, table.directory, "id > 205 AND id < 208") == [206, 207], reader
        assert hudi.files_read(reader, table.directory, "id > 205 AND id < 208") == 1, reader


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_real_commits_are_followed(name: str, corpus: Corpus, tmp_path: Path) -> None:
    wanted = case(name)
    place = corpus.copy(wanted, tmp_path / "c", 1)
    to = place if name.startswith("delta") else place / "data"
    hoodie = to / ".hoodie"
    steps = Steps(place, wanted.format, to)
    states = {steps.replace().version: wanted.at(1).sha256}
    for stage in range(2, len(wanted.stages) + 1):
        hoodie.rename(tmp_path / "hoodie")
        corpus.copy(wanted, tmp_path / "c", stage)
        (tmp_path / "hoodie").rename(hoodie)
        states[steps.advance().version] = wanted.at(stage).sha256
    assert len(states) == len(wanted.stages)
    for reader in SPARKS if name in SEEN_BY_ALL else SPARKS[:1]:
        for instant, rows in states.items():
            found = hudi.query(reader, to, version=instant).rows
            assert digest(canonical_rows(found)) == rows, (reader, instant)


def test_a_step_reads_no_base_file_as_a_whole(tmp_path: Path) -> None:
    table = Delta(tmp_path / "t")
    table.append(0, 30)
    steps = Steps(table.directory)
    steps.replace()
    table.append(40, 3)
    table.delete("id = 1")
    reads = Reads()
    steps.advance(reads)
    assert reads.whole
    assert not [path for path in reads.whole if path.endswith(".hfile")]


def _made(tmp_path: Path) -> HudiMade:
    rows = pa.table({"id": pa.array(range(5), pa.int64())})
    table = HudiMade(tmp_path, schema_of(rows.schema))
    table.write("a.parquet", rows)
    table.write("b.parquet", pa.table({"id": pa.array([9], pa.int64())}))
    table.sync()
    return table


def _advance(
    table: HudiMade, *names: str, removed: tuple[str, ...] = (), is_new: bool = False, fingerprint: str = "f"
) -> Commit:
    def added() -> Iterator[pa.RecordBatch]:
        for batch in table.batches():
            yield batch.filter(pa.array([path.rpartition("/")[2] in names for path in batch["path"].to_pylist()]))

    paths = [f"{table.location}/{name}" for name in removed]
    gone = pa.chunked_array([paths], pa.string()) if removed else NO_PATHS
    change = Change(snapshot=table.snapshot(), added=added, removed=gone, adds_only_new=is_new)
    state = table.state()
    assert state.mark is not None
    state = msgspec.structs.replace(state, mark=msgspec.structs.replace(state.mark, fingerprint=fingerprint))
    commit: Commit = table.target().advance(change, state, table.current())
    return commit


@pytest.mark.parametrize("is_new", [True, False])
def test_a_file_that_was_overwritten_is_read_as_it_is_now(tmp_path: Path, is_new: bool) -> None:
    table = _made(tmp_path)
    table.write("a.parquet", pa.table({"id": pa.array(range(100, 2100), pa.int64())}))
    commit = _advance(table, "a.parquet", is_new=is_new)
    assert (commit.files_added, commit.files_removed) == (0, 0)
    commit = _advance(table, "a.parquet", "b.parquet")
    assert (commit.files_added, commit.files_removed) == (0, 0)
    table.drop("a.parquet")
    commit = _advance(table, removed=("a.parquet",))
    assert (commit.files_added, commit.files_removed) == (0, 1)
    table.write("c.parquet", pa.table({"id": pa.array([3], pa.int64())}))
    assert _advance(table, "c.parquet", is_new=is_new).files_added == 1
    for reader in SPARKS:
        assert ids(reader, tmp_path) == [3, 9]


def test_a_step_without_files_has_its_state_and_schema(tmp_path: Path) -> None:
    table = _made(tmp_path)
    wider = HudiMade(tmp_path, schema_of(pa.schema([("id", pa.int64()), ("w", pa.string())])))
    wider.version = 7
    _advance(wider)
    current = wider.current()
    assert current.state is not None
    assert current.state.source_version == "7"
    assert current.changed is None
    assert '"w"' in current.schema_text
    wider.write("c.parquet", pa.table({"id": pa.array([1], pa.int64()), "w": ["x"]}))
    _advance(wider, "c.parquet", is_new=True)
    for reader in SPARKS:
        found = hudi.query(reader, tmp_path, "SELECT * FROM t WHERE id = 1 ORDER BY w").rows.to_pylist()
        assert found == [{"id": 1, "w": None}, {"id": 1, "w": "x"}], reader
    assert ids(SPARKS[0], tmp_path, version=table.current().version)


@pytest.mark.parametrize("why", ["unlisted", "returning", "retyped", "renamed"])
def test_what_a_step_cannot_do_leaves_no_trace(tmp_path: Path, why: str) -> None:
    table = _made(tmp_path)
    if why == "returning":
        table.drop("b.parquet")
        _advance(table, removed=("b.parquet",))
        table.write("b.parquet", pa.table({"id": pa.array([9], pa.int64())}))
    before = _left(tmp_path)
    error: type[Exception] = FullSyncNeeded
    if why == "unlisted":
        with pytest.raises(error, match=r"'c\.parquet'"):
            _advance(table, removed=("c.parquet",))
    elif why == "returning":
        for is_new in (True, False):
            with pytest.raises(error, match="comes back"):
                _advance(table, "b.parquet", is_new=is_new)
    elif why == "retyped":
        narrow = pa.schema([("id", pa.int32())])
        small = HudiMade(tmp_path / "small", schema_of(narrow))
        small.write("a.parquet", pa.table({"id": [1]}, narrow))
        small.sync()
        before = _left(tmp_path)
        grown = HudiMade(tmp_path / "small", schema_of(pa.schema([("id", pa.int64())])), promotions={1: "int"})
        with pytest.raises(error, match="'id' has a new type"):
            _advance(grown)
    else:
        renamed = HudiMade(tmp_path, schema_of(pa.schema([("key", pa.int64())])), names_are_stable=False)
        with pytest.raises(error, match="schema has changed"):
            _advance(renamed, fingerprint="g")
    assert _left(tmp_path) == before


@pytest.mark.parametrize("name", ["delta/dml_dv", "iceberg/mor_dv_v3"])
def test_deleted_rows_are_refused_by_name_in_both_modes(name: str, corpus: Corpus, tmp_path: Path) -> None:
    wanted = case(name)
    place = corpus.copy(wanted, tmp_path / "c", 1)
    to = place if name.startswith("delta") else place / "data"
    steps = Steps(place, wanted.format, to)
    steps.replace()
    (to / ".hoodie").rename(tmp_path / "hoodie")
    corpus.copy(wanted, tmp_path / "c", len(wanted.stages))
    (tmp_path / "hoodie").rename(to / ".hoodie")
    before = _left(to)
    for sync in (steps.advance, steps.replace):
        with pytest.raises(UnsupportedTableFeature, match="delet") as refused:
            sync()
        assert "REORG" in refused.value.hint
        assert _left(to) == before


def test_many_steps_become_base_files_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "FILES_PACE", Pace(3, 3, 0))
    monkeypatch.setattr(update, "STATISTICS_PACE", Pace(4, 4, 0))
    table = Delta(tmp_path / "t")
    table.append(0, 12)
    steps = Steps(table.directory)
    states = {steps.replace().version: table.ids()}
    for number in range(1, 9):
        table.append(number * 20, 12)
        states[steps.advance().version] = table.ids()
        table.delete(f"id = {number * 20}")
        states[steps.advance().version] = table.ids()
    metadata = table.directory / ".hoodie/metadata"
    for partition in ("files", "column_stats"):
        names = sorted(path.name for path in (metadata / partition).iterdir())
        assert 2 <= sum(name.endswith(".hfile") for name in names) <= 4, names
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        assert ids(reader, table.directory, "id > 160 AND id < 163") == [161, 162], reader
        assert hudi.files_read(reader, table.directory, "id > 160 AND id < 163") == 2, reader
    for instant, rows in list(states.items())[::5]:
        assert ids(SPARKS[0], table.directory, version=instant) == rows


def test_steps_give_old_commits_up_and_with_them_the_statistics_of_removed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "FILES_PACE", Pace(2, 2, 0))
    monkeypatch.setattr(update, "STATISTICS_PACE", Pace(2, 2, 0))
    table = Delta(tmp_path / "t", partitioned=False)
    table.append(0, 50)
    steps = Steps(table.directory, retention_hours=0)
    instants = [steps.replace().version]
    for number in range(1, 8):
        table.append(number * 100, 50)
        table.delete(f"id < {number * 100}")
        instants.append(steps.advance().version)
    kept = {path.name.partition(".")[0] for path in (table.directory / ".hoodie").glob("*.replacecommit")}
    assert instants[-1] in kept
    assert len(kept) < 5
    handle = steps.target()
    assert handle.current() is not None
    live = {path.rpartition("/")[2] for path in DeltaTable(table.directory).file_uris()}
    for path in table.directory.glob("*.parquet"):
        if path.name not in live:
            path.unlink()
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        assert ids(reader, table.directory, "id > 730 AND id < 733") == [731, 732], reader


def test_columns_come_go_and_change_places_step_by_step(tmp_path: Path) -> None:
    table = HudiMade(tmp_path, schema_of(pa.schema([("id", pa.int64()), ("a", pa.string()), ("b", pa.int32())])))
    table.write("a.parquet", pa.table({"id": [1, 2], "a": ["x", "y"], "b": pa.array([1, 2], pa.int32())}))
    first: list[dict[str, Any]] = [{"id": 1, "a": "x", "b": 1}, {"id": 2, "a": "y", "b": 2}]
    states = {table.sync().version: first}
    fields = {field.name: field for field in table.table.schema.fields}
    place = Field(id=4, name="c", type=PRIMITIVE_KINDS["double"], required=False)
    shapes = [(fields["b"], fields["id"]), (fields["b"], place, fields["id"])]
    wanted: list[dict[str, Any]] = [{"id": 1, "b": 1}, {"id": 2, "b": 2}]
    for number, shape in enumerate(shapes):
        table.table = msgspec.structs.replace(table.table, schema=Schema(shape))
        name = f"{number}.parquet"
        row: dict[str, Any] = {"id": 10 + number, "b": number} | ({"c": 0.5} if place in shape else {})
        table.write(name, pa.Table.from_pylist([row, row], pa.schema([(f.name, arrow_type(f.type)) for f in shape])))
        commit = _advance(table, name, is_new=True, fingerprint=str(number))
        wanted = [{**{f.name: None for f in shape}, **each} for each in [*wanted, row, row]]
        states[commit.version] = wanted
    for reader in SPARKS:
        for instant, rows in states.items():
            found = hudi.query(reader, tmp_path, "SELECT * FROM t ORDER BY id", version=instant).rows.to_pylist()
            assert found == rows, (reader, instant)
        assert ids(reader, tmp_path, "c > 0.1") == [11, 11], reader
