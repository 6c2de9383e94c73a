"""Hudi tables that real writers left."""

from pathlib import Path

CORPUS = Path("/corpus/hudi")


def hudi_tables() -> list[Path]:
    """Return the folders of the tables, by name."""
    return sorted(path for path in CORPUS.iterdir() if (path / ".hoodie").is_dir())
