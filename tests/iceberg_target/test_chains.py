"""Tables that others write to, followed commit by commit: every state is found by time travel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus import Case, Corpus, case
from tests.iceberg_target.chains import Followed, follow
from tests.readers.rows import canonical_rows, digest
from tests.readers.tables import Reader, read

_CHAINS = [
    "delta/dml_dv",
    "delta/dml_nodv",
    "delta/colmap_name",
    "delta/colmap_upgrade",
    "delta/evolve",
    "delta/optimized",
    "delta/restore",
    "hudi/overwrites",
    "hudi/clustered",
]


def _check(followed: list[Followed], wanted: Case, target: Path, *readers: Reader) -> None:
    assert len(followed) == len(wanted.stages)
    assert [each.commit.version for each in followed] == [f"v{number + 1}" for number in range(len(followed))]
    for each in followed:
        for reader in readers:
            rows = canonical_rows(read("iceberg", target, reader, version=each.snapshot))
            assert digest(rows) == wanted.at(each.stage).sha256, (each.stage, reader)


@pytest.mark.parametrize("name", _CHAINS)
def test_every_commit_is_a_snapshot(corpus: Corpus, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    followed = list(follow(corpus, case(name), tmp_path, target))
    _check(followed, case(name), target, "duckdb", "pyiceberg")


@pytest.mark.parametrize("name", ["delta/dml_dv", "delta/evolve"])
def test_spark_sees_the_same(corpus: Corpus, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    followed = list(follow(corpus, case(name), tmp_path, target))
    _check(followed, case(name), target, "spark")


def test_version_2_has_position_deletes(corpus: Corpus, tmp_path: Path) -> None:
    target = tmp_path / "target"
    followed = list(follow(corpus, case("delta/dml_dv"), tmp_path, target, format_version=2))
    _check(followed, case("delta/dml_dv"), target, "duckdb", "pyiceberg", "spark")


@pytest.mark.parametrize("name", ["delta/dml_dv", "hudi/overwrites"])
def test_full_syncs_make_the_same_of_it(corpus: Corpus, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    followed = list(follow(corpus, case(name), tmp_path, target, whole=True))
    _check(followed, case(name), target, "duckdb", "pyiceberg")
