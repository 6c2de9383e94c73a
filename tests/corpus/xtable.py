"""Tables that Java XTable wrote: the formats of each lie in one directory and hold the same rows.

``xtable.tar.zst`` holds them. What is called ``head`` was written by its main branch of August 2026, the others by
0.4.0; then comes the format that they were converted from.
"""

from collections.abc import Mapping
from pathlib import Path

from tests.corpus import HERE, unpack
from tests.corpus.relocate import relocate_iceberg
from tests.readers import Format

__all__ = ["XTABLE_TABLES", "xtable_table"]

WRITTEN_AT = "/xtable"
# The format that each was converted from.
XTABLE_TABLES: Mapping[str, Format] = {
    "delta_incr": "delta",  # synced after each of five commits
    "delta_unpart": "delta",
    "head_delta_nested": "delta",
    "head_iceberg_nested": "iceberg",
    "hudi_flat": "hudi",
}


def xtable_table(name: str, root: Path) -> Path:
    """Put one of `XTABLE_TABLES` under `root`, to be done with as one likes, and return where it is."""
    unpack(HERE / "xtable.tar.zst", root, only=name)
    relocate_iceberg(root / name, WRITTEN_AT, str(root.absolute()))
    return root.absolute() / name
