"""What is read of a metadata table for a few files is what a reading of all of it says of these."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest

from converters.hudi.metadata_table import table as module
from converters.hudi.metadata_table.table import MetadataTable
from converters.hudi.reading.file_names import base_files
from converters.hudi.reading.table_state import read_table_state
from converters.storage.object_store import ObjectStorage
from tests.corpus.xtable import XTABLE_TABLES, xtable_table

CORPUS = Path("/corpus/hudi")


def metadata_table(table: Path) -> MetadataTable | None:
    state = read_table_state(ObjectStorage(), f"file://{table}")
    return MetadataTable.open(state.storage, state.location, state.config, state.timeline)


def tables(folder: Path) -> list[Path]:
    xtable = [Path(xtable_table(name, folder)) for name, source in XTABLE_TABLES.items() if source != "hudi"]
    found = [*CORPUS.iterdir(), *xtable]
    return [each for each in found if (each / ".hoodie" / "metadata").is_dir()]


def test_files_of_some_partitions_are_all_of_theirs(tmp_path: Path) -> None:
    checked = 0
    for table in tables(tmp_path):
        whole = metadata_table(table)
        if whole is None:
            continue
        for partition in whole.partitions():
            single = metadata_table(table)
            assert single is not None
            files = whole.files()
            expected = files.filter(pc.equal(files["partition"], partition))
            assert single.files_of([partition, "no such partition"]).sort_by("name") == expected.sort_by("name")
            checked += 1
    assert checked > 40


def test_statistics_of_a_few_files_are_those_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = 0
    for table in tables(tmp_path):
        found = metadata_table(table)
        if found is None or not found.slices.get("column_stats"):
            continue
        files = base_files(found.files())
        columns = ["id", "name", "p", "ts", "_hoodie_commit_time", "amount", "region"]
        single = found.column_stats(files, columns)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_MOST_LOOKUPS", -1)
            assert found.column_stats(files, columns) == single
        assert single is not None
        checked += sum(len(column) - column.null_count for column in single.columns)
    assert checked > 100
