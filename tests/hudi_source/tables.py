"""Hudi tables of the corpus, changed by hand as crashes and other writers would leave them, and a few more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from converters.hudi.source import HudiSource, HudiSourceOptions
from converters.model.snapshot import Snapshot
from converters.storage.object_store import ObjectStorage
from tests.corpus import unpack
from tests.readers import canonical_rows

__all__ = ["base_files", "opened", "real_table", "rows_of", "set_property", "timeline_files", "uncommit"]

PACKED = Path(__file__).with_name("tables.tar.zst")


def real_table(name: str, folder: Path) -> Path:
    """Unpack a table that Hudi wrote in a way that the corpus has no example of."""
    unpack(PACKED, folder, only=name)
    return folder / name


def opened(table: Path, **options: Any) -> HudiSource:
    """The table as a source."""
    return HudiSource.open(ObjectStorage(), f"file://{table}", HudiSourceOptions(**options))


def rows_of(source: HudiSource, snapshot: Snapshot | None = None) -> list[str]:
    """The rows in the files of a snapshot, by the files alone; columns in the table's order."""
    snapshot = snapshot or source.snapshot()
    paths = [path for batch in source.data_files(snapshot) for path in batch.column("path").to_pylist()]
    names = [field.name for field in snapshot.table.schema.fields]
    tables = [pq.read_table(path.removeprefix("file://"), partitioning=None).select(names) for path in paths]
    return canonical_rows(pa.concat_tables(tables, promote_options="permissive")) if tables else []


def timeline_files(table: Path) -> list[Path]:
    """The files of the active timeline, ordered by name."""
    folder = table / ".hoodie" / "timeline"
    return sorted(path for path in (folder if folder.exists() else folder.parent).iterdir() if path.name[0].isdigit())


def uncommit(table: Path, number: int) -> str:
    """Take the completed file of a commit away, as if its writer were still running, and return the commit's time."""
    ends = (".commit", ".deltacommit", ".replacecommit")
    completed = [path for path in timeline_files(table) if path.name.endswith(ends)][number]
    completed.unlink()
    return completed.name.split(".")[0].split("_")[0]


def base_files(table: Path) -> list[Path]:
    """Every base file on disk, ordered by path."""
    return sorted(path for path in table.rglob("*.parquet") if ".hoodie" not in path.parts)


def set_property(table: Path, key: str, value: str) -> None:
    """Set a property of the table."""
    path = table / ".hoodie" / "hoodie.properties"
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{key}=")]
    path.write_text("\n".join([*kept, f"{key}={value}", ""]), encoding="utf-8")
