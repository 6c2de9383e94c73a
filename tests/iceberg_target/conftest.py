"""What the tests of the Iceberg target share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.iceberg_target.sources import Source, by_column, fields, some_rows


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Three files in partitions."""
    schema = fields(id="long", p="string")
    made = Source(directory=tmp_path / "t", schema=schema, spec=by_column(schema, "p"))
    for start in (0, 10, 20):
        made.add(some_rows(start), (f"p{start % 3}",))
    return made
