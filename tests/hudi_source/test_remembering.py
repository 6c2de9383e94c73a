"""What a sync left in a target spares the next one a look at the files that were there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters import convert
from converters.sync.report import TargetReport
from tests.corpus import Corpus
from tests.hudi_source.tables import base_files, opened, set_property


def synced(table: Path, target: Path) -> TargetReport:
    (report,) = convert(str(table), ["DELTA"], source_format="HUDI", target_path=str(target)).targets
    assert report.error is None
    return report


@pytest.mark.parametrize("name", ["hudi/cow_v6_nomdt", "hudi/cow_v9_nomdt", "hudi/cow_v9", "hudi/part_string"])
def test_a_sync_without_news_looks_at_no_data_file(name: str, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(name, tmp_path)
    synced(table, tmp_path / "target")
    for path in base_files(table):
        path.unlink()
    assert synced(table, tmp_path / "target").status == "unchanged"


def test_a_sync_of_new_files_looks_at_no_others(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/simple", tmp_path, 1)
    synced(table, tmp_path / "target")
    former = {path.name for path in base_files(table)}
    corpus.copy("hudi/simple", tmp_path, 2)
    for path in base_files(table):
        if path.name in former:
            path.unlink()
    report = synced(table, tmp_path / "target")
    assert (report.mode, report.commits) == ("incremental", 1)


def test_what_was_said_of_another_table_counts_for_nothing(corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy("hudi/part_string", tmp_path)
    synced(table, tmp_path / "target")
    set_property(table, "hoodie.table.partition.fields", "")
    assert opened(table).snapshot().table.default_spec.fields == ()
    assert synced(table, tmp_path / "target").status == "synced"
