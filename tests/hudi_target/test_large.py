"""First syncs of many files: several commits of bounded size, several file groups of statistics."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from converters.hudi.metadata_table.keys import file_group_of
from converters.hudi.writing import first_sync
from converters.hudi.writing.commit_files import json_bytes_of, write_json
from converters.hudi.writing.source_files import SOURCE_FILES
from converters.staging import Spool
from tests.hudi_target.made import SPARKS, Delta, ids
from tests.readers import hudi


def _files(partitions: list[str], count: int) -> pa.Table:
    codes = pa.array(np.arange(count) % len(partitions), pa.int32())
    return pa.table(
        [
            pa.DictionaryArray.from_arrays(codes, pa.array(partitions)),
            pa.array([f"part-{n:06}-{'x' * 40}.parquet" for n in range(count)]),
            pa.array(np.full(count, 12_345_678)),
            pa.array(np.arange(count)),
        ],
        schema=SOURCE_FILES,
    )


def test_a_first_sync_of_several_commits_is_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_sync, "_BYTES_OF_ONE_COMMIT", 2_000)
    monkeypatch.setattr(first_sync, "_BYTES_OF_A_COMMIT", 3_000)
    monkeypatch.setattr(first_sync, "_FILES_OF_THE_LAST", 2)
    monkeypatch.setattr(first_sync, "_RECORDS_OF_A_GROUP", 10)
    table = Delta(tmp_path / "t")
    for number in range(8):
        table.append(number * 10, 6)
    table.synced()
    commits = sorted((table.directory / ".hoodie").glob("*.replacecommit"), key=lambda path: path.name)
    assert len(commits) > 3
    assert all(path.stat().st_size < 6_000 for path in commits)
    assert len(list((table.directory / ".hoodie/metadata/column_stats").glob("*.hfile"))) > 3
    table.append(100, 6)
    table.delete("id IN (0, 3)")
    table.synced()
    for reader in SPARKS:
        assert ids(reader, table.directory) == table.ids(), reader
        assert ids(reader, table.directory, "id >= 100 AND id < 103") == [100, 101, 102], reader
        assert hudi.files_read(reader, table.directory, "id >= 100 AND id < 103") == 3, reader


def test_commits_stay_below_their_size_and_the_newest_is_small() -> None:
    files = _files([f"p={n}" for n in range(50)], 300_000)
    parts = first_sync.divided(files)
    assert sum(map(len, parts)) == len(files)
    assert len(parts[-1]) == 1_000
    for part in parts[:-1]:
        with Spool() as spool:
            write_json(spool, "20240101000000000", {}, part, {})
            content = spool.content()
            size = len(content) if isinstance(content, bytes) else content.seek(0, io.SEEK_END)
        assert size < 48 * 2**20


@pytest.mark.parametrize("partitions", [[""], ["p=a", 'p="\\\n', "p=ü/q=1"]])
def test_a_commit_is_what_hudi_understands(partitions: list[str]) -> None:
    files = _files(partitions, 7)
    with Spool() as spool:
        write_json(spool, "20240101000000000", {"schema": '{"a":"b"}'}, files, {"p=a": ["x", "y"]})
        content = spool.content()
    assert isinstance(content, bytes)
    found = msgspec.json.decode(content)
    assert found["partitionToReplaceFileIds"] == {"p=a": ["x", "y"]}
    assert found["extraMetadata"] == {"schema": '{"a":"b"}'}
    stats = [(path, stat) for path, stats in found["partitionToWriteStats"].items() for stat in stats]
    assert len(stats) == 7
    for path, stat in stats:
        prefix = f"{path}/" if path else ""
        assert stat["path"] == f"{prefix}{stat['fileId']}_20240101000000000_hudiext"
        assert stat["partitionPath"] == path
        assert stat["fileSizeInBytes"] == 12_345_678
    assert {stat["numWrites"] for _, stat in stats} == set(range(7))
    assert sum(json_bytes_of(files).to_pylist()) > len(content) * 0.5


def test_records_go_to_the_file_groups_that_readers_look_in() -> None:
    def java(key: str, groups: int) -> int:
        found = 0
        for character in key:
            found = (31 * found + ord(character)) & 0xFFFFFFFF
        signed = found - 2**32 if found >= 2**31 else found
        return abs(signed) % groups

    keys = [f"{n:048d}" for n in range(1_000)] + ["+/=" * 16]
    for groups in (1, 2, 7):
        assert file_group_of(pa.array(keys, pa.string()).cast(pa.binary()), groups).tolist() == [
            java(key, groups) for key in keys
        ]
