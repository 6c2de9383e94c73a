"""Changes of tables that consist of another system's files, as conversions to Hudi make them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from converters import convert
from tests.changes import files_of
from tests.corpus import Corpus
from tests.corpus.xtable import XTABLE_TABLES, xtable_table
from tests.hudi_source.tables import opened
from tests.hudi_source.test_changes import check_chain, fold, relative, state_of

CASES = ["delta/dml_nodv", "delta/evolve", "delta/optimized", "delta/part_string", "delta/restore", "delta/simple"]


@pytest.mark.parametrize("name", CASES)
def test_changes_of_our_targets_lead_from_each_sync_to_each_later_one(
    name: str, corpus: Corpus, tmp_path: Path
) -> None:
    stages = sorted(Path("/corpus/stages", name).iterdir())
    table = tmp_path / "table"
    kept: list[Path] = []
    for number, stage in enumerate(stages):
        # What the sync before left stays; the source goes on.
        shutil.copytree(stage, table, dirs_exist_ok=True)
        (target,) = convert(str(table), ["HUDI"], source_format="DELTA").targets
        assert target.error is None
        kept.append(shutil.copytree(table, tmp_path / f"kept{number}"))
    counts = check_chain(kept)
    assert len(counts) == len(kept) * (len(kept) - 1) // 2


def test_changes_of_tables_that_xtable_made_lead_from_each_of_their_commits_to_the_newest(tmp_path: Path) -> None:
    told = 0
    for name in (name for name, source in XTABLE_TABLES.items() if source != "hudi"):
        table = xtable_table(name, tmp_path)
        source = opened(table)
        until, after = source.snapshot(), relative(files_of(source), source)
        completed = sorted((table / ".hoodie").glob("*.replacecommit")) or sorted((table / ".hoodie").glob("*.commit"))
        for path in completed[:-1]:
            former = opened(table, as_of=path.name.split(".")[0])
            files = relative(files_of(former), former)
            for change in source.changes(state_of(former.snapshot()), until):
                files = fold(files, change, source)
                told += 1
            assert files == after
    assert told
