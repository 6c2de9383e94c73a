"""Random histories: whatever a table's writers do and whenever one syncs, targets hold the source's rows.

A few seeds, the same at each run; ``python -m tests.histories --minutes 30`` looks for more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.histories.lives import KINDS, live

WITHOUT_JAVA = [(kind, seed) for kind in ("delta-rs", "pyiceberg") for seed in range(1, 7)]


@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
@pytest.mark.parametrize("kind,seed", WITHOUT_JAVA)
def test_a_table_that_lives(kind: str, seed: int, tmp_path: Path) -> None:
    live(kind, tmp_path, seed, steps=12, targets=("delta", "iceberg"))


@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
@pytest.mark.parametrize("kind", KINDS)
def test_a_table_that_lives_among_all_formats(kind: str, tmp_path: Path) -> None:
    live(kind, tmp_path, 101, steps=8, targets=("delta", "iceberg", "hudi"))
