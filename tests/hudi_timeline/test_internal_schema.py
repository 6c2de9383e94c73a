"""Hudi's internal schema: which names and types the files of each commit have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from converters.errors import CorruptTable, LimitExceeded, TablecastError
from converters.hudi.schema.internal_schema import InternalColumn, SchemaVersions, read_schema_versions
from converters.hudi.schema.reader import parse_schema
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import Instant, Timeline, read_timeline
from converters.hudi.timeline.commit_metadata import CommitMetadata, parse_commit, read_commit
from converters.storage import ObjectStorage
from tests.hudi_timeline.made import commit_json

FIRST, RENAMED, LAST = "20261121095120245", "20261121095126397", "20261121095128486"
A, B, C = "20240101000000000", "20240102000000000", "20240103000000000"


def _newest(table: Path) -> tuple[SchemaVersions | None, CommitMetadata]:
    location = f"file://{table}"
    config = read_table_config(ObjectStorage(), location)
    assert config is not None
    timeline = read_timeline(ObjectStorage(), location, config)
    newest = read_commit(ObjectStorage(), max(timeline.writes(), key=lambda each: each.time))
    return read_schema_versions(ObjectStorage(), location, timeline, newest), newest


def _stage(number: int) -> Path:
    return Path(f"/corpus/stages/hudi/schema_on_read/stage{number}")


def test_a_table_that_was_never_altered_has_none() -> None:
    assert _newest(_stage(1))[0] is None
    assert _newest(Path("/corpus/hudi/evolve"))[0] is None


@pytest.mark.parametrize("table", [_stage(2), _stage(3), Path("/corpus/hudi/schema_on_read")])
def test_a_real_table_that_was_altered(table: Path) -> None:
    versions, newest = _newest(table)
    assert versions is not None
    assert not versions.names_are_stable()
    assert versions.first_types(keep_meta_columns=False) == {3: "int"}
    before = versions.stored_columns(FIRST, keep_meta_columns=False)
    assert {id_: column.path[0] for id_, column in before.items()} == {1: "id", 2: "name", 3: "n", 5: "ver"}
    assert before[3].type == "int"
    after = versions.stored_columns(LAST, keep_meta_columns=False)
    assert {id_: column.path[0] for id_, column in after.items()} == {
        1: "id",
        2: "full_name",
        3: "n",
        5: "ver",
        6: "extra",
    }
    assert after[3].type == "long"
    assert versions.at(RENAMED).version == int(RENAMED)
    assert versions.at(str(int(RENAMED) - 1)).version == 0
    assert newest.schema is not None


def test_columns_keep_the_ids_that_they_had_before_the_table_was_altered() -> None:
    before = _newest(_stage(1))[1].schema
    versions, newest = _newest(_stage(3))
    assert versions is not None
    assert before is not None
    assert newest.schema is not None
    for keep in (False, True):
        first = parse_schema(before, keep_meta_columns=keep)
        read = parse_schema(newest.schema, keep_meta_columns=keep, field_ids=versions.field_ids(keep_meta_columns=keep))
        assert read.has_own_ids
        assert not first.has_own_ids
        ids = {field.name: field.id for field in read.schema.fields}
        if not keep:
            assert [field.id for field in first.schema.fields] == [1, 2, 3, 4, 5]
            assert ids == {"id": 1, "full_name": 2, "n": 3, "ver": 5, "extra": 6}
        else:
            assert ids["_hoodie_commit_time"] == 1
            assert ids["full_name"] == 7


def _json(version: str, *fields: tuple[int, str, Any]) -> dict[str, Any]:
    columns = [{"id": id_, "name": name, "optional": True, "type": type_} for id_, name, type_ in fields]
    return {"max_column_id": 99, "version_id": int(version), "type": "record", "fields": columns}


def _read(table: Path, latest: object, history: Mapping[str, object], *completed: str) -> SchemaVersions | None:
    directory = table / ".hoodie/.schema"
    directory.mkdir(parents=True)
    for name, content in history.items():
        (directory / name).write_text(content if isinstance(content, str) else json.dumps(content))
    instants = tuple(Instant(time, "commit", "completed", None, f"file:///{time}.commit", 0) for time in completed)
    text = latest if isinstance(latest, str) else json.dumps(latest)
    newest = parse_commit(commit_json(extraMetadata={"latest_schema": text}), instants[-1])
    return read_schema_versions(ObjectStorage(), f"file://{table}", Timeline(instants), newest)


def test_a_name_that_was_another_columns_before_is_not_stable(tmp_path: Path) -> None:
    old, new = _json(A, (0, "a", "int"), (1, "b", "int")), _json(C, (1, "b", "int"), (2, "a", "string"))
    versions = _read(tmp_path, new, {f"{C}_{C}.schemacommit": {"schemas": [new, old]}}, A, B, C)
    assert versions is not None
    assert not versions.names_are_stable()
    assert versions.stored_columns(B, keep_meta_columns=False) == {2: InternalColumn(("b",), "int")}
    assert set(versions.stored_columns(C, keep_meta_columns=False)) == {2, 3}


def test_a_table_whose_columns_were_only_added_has_stable_names(tmp_path: Path) -> None:
    old = _json(A, (0, "a", "int"))
    new = _json(C, (0, "a", "int"), (1, "b", "string"))
    versions = _read(tmp_path, new, {f"{C}.schemacommit": {"schemas": [new, old]}}, A, C)
    assert versions is not None
    assert versions.names_are_stable()
    assert versions.first_types(keep_meta_columns=False) == {}


def test_members_of_nested_columns_have_ids_as_well(tmp_path: Path) -> None:
    struct = {"type": "record", "fields": [{"id": 6, "name": "x", "optional": True, "type": "decimal(5, 2)"}]}
    nested = {"type": "map", "key-id": 4, "key": "string", "value-id": 5, "value": struct, "value_optional": True}
    array = {"type": "array", "element-id": 3, "element": nested, "element_optional": False}
    versions = _read(tmp_path, _json(A, (0, "a", "int"), (2, "l", array)), {}, A)
    assert versions is not None
    assert versions.field_ids(keep_meta_columns=False) == {
        ("a",): 1,
        ("l",): 3,
        ("l", "element"): 4,
        ("l", "element", "key"): 5,
        ("l", "element", "value"): 6,
        ("l", "element", "value", "x"): 7,
    }
    assert versions.current.columns[6].type == "decimal(5, 2)"
    assert versions.current.columns[3].type == "map"


def test_the_history_of_a_commit_that_was_not_completed_does_not_count(tmp_path: Path) -> None:
    old, new = _json(A, (0, "a", "int")), _json(B, (0, "b", "int"))
    files = {f"{A}_{A}.schemacommit": {"schemas": [old]}, f"{B}_{B}.schemacommit": {"schemas": [new, old]}}
    files |= {f"{C}.schemacommit.requested": {}, f"{C}.schemacommit.inflight": {}}
    versions = _read(tmp_path, old, files, A)
    assert versions is not None
    assert [each.version for each in versions.versions] == [int(A)]


@pytest.mark.parametrize(
    "damaged",
    [
        "{",
        "[]",
        {"type": "record"},
        {"type": "record", "fields": [7]},
        {"type": "record", "fields": [{"id": 1, "name": "a"}]},
        {"type": "record", "fields": [{"id": "1", "name": "a", "type": "int"}]},
        {"type": "record", "fields": [{"id": -1, "name": "a", "type": "int"}]},
        {"type": "record", "fields": [{"id": 1, "name": n, "type": "int"} for n in "ab"]},
        {"type": "record", "fields": [{"id": 1, "name": "a", "type": {"type": "array"}}]},
        {"type": "record", "fields": [{"id": 1, "name": "a", "type": {"type": "heap"}}]},
        {"type": "record", "version_id": "x", "fields": []},
        "[" * 100_000,
    ],
)
def test_a_damaged_internal_schema_is_corrupt(tmp_path: Path, damaged: object) -> None:
    _refused(tmp_path / "latest", CorruptTable, f"{A}.commit", damaged, {})
    history = {f"{A}.schemacommit": {"schemas": [damaged]} if isinstance(damaged, dict) else damaged}
    _refused(tmp_path / "history", CorruptTable, f"{A}.schemacommit", _json(A, (0, "a", "int")), history)


def test_an_internal_schema_with_too_many_levels_is_refused(tmp_path: Path) -> None:
    deep: Any = "int"
    for number in range(100):
        deep = {"type": "array", "element-id": number + 1, "element": deep, "element_optional": True}
    _refused(tmp_path, LimitExceeded, "levels", _json(A, (0, "a", deep)), {})


def _refused(table: Path, kind: type[TablecastError], told: str, latest: object, history: Mapping[str, object]) -> None:
    with pytest.raises(kind) as caught:
        _read(table, latest, history, A)
    assert type(caught.value) is kind
    assert told in caught.value.message
