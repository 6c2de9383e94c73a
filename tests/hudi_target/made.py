"""Hudi tables that a sync makes, from Delta tables that delta-rs writes or from files and a snapshot made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

import converters
from converters.formats import TargetTable
from converters.hudi.target import HudiTarget, HudiTargetOptions
from converters.storage import ObjectStorage
from converters.storage.base import Storage
from tests.delta_target.made import Made, identity, schema_of
from tests.readers import hudi

__all__ = ["SPARKS", "Delta", "HudiMade", "identity", "ids", "schema_of"]

SPARKS = tuple(hudi.VERSIONS)
"""Spark with each version of Hudi."""


class HudiMade(Made):
    """A table in a directory: its files are written, its snapshot is made up, its target is Hudi."""

    def target(self, storage: Storage | None = None, to: str | None = None, **options: Any) -> Any:
        """The target in the same directory."""
        return HudiTarget.open(storage or ObjectStorage(), to or self.location, HudiTargetOptions(**options))

    def current(self) -> TargetTable:
        """What is at the target."""
        found = self.target().current()
        assert found is not None
        return found


class Delta:
    """A Delta table with the columns ``id``, ``p`` (its partitions, unless told otherwise) and some more."""

    def __init__(self, directory: Path, *, partitioned: bool = True, **options: str) -> None:
        self.directory = directory
        self.options = {f"hudi.target.{key.replace('_', '-')}": value for key, value in options.items()}
        self._by = ["p"] if partitioned else None

    def append(self, first: int, count: int) -> None:
        """Add rows: in partitions a, b and c, a file to each."""
        numbers = range(first, first + count)
        rows = {
            "id": pa.array(numbers, pa.int64()),
            "p": pa.array(["abc"[n % 3] for n in numbers]),
            "s": pa.array([f"s{n:03}" if n % 5 else None for n in numbers], pa.string()),
            "x": pa.array([n / 3 for n in numbers], pa.float64()),
        }
        write_deltalake(self.directory, pa.table(rows), mode="append", partition_by=self._by)

    def delete(self, condition: str) -> None:
        """Rewrite files without the rows that match."""
        DeltaTable(self.directory).delete(condition)

    def restore(self, version: int) -> None:
        """Go back to an earlier version."""
        DeltaTable(self.directory).restore(version)

    @property
    def version(self) -> int:
        """Its version."""
        return DeltaTable(self.directory).version()

    def ids(self) -> list[int]:
        """What is in its column ``id``."""
        return sorted(DeltaTable(self.directory).to_pyarrow_table()["id"].to_pylist())

    def sync(self, storage: Storage | None = None) -> converters.ConversionReport:
        """Make the Hudi table in the same directory equal to it."""
        return converters.convert(
            str(self.directory), ["hudi"], source_format="delta", options=self.options, storage=storage
        )

    def synced(self) -> str:
        """Sync, and return the instant that it made."""
        report = self.sync()
        assert report.targets[0].error is None, report.targets[0].error
        assert report.targets[0].version is not None
        return report.targets[0].version


def ids(reader: str, directory: Path, where: str = "true", **more: Any) -> list[int]:
    """What a reader finds in the column ``id``."""
    found = hudi.query(reader, directory, f"SELECT id FROM t WHERE {where}", **more)
    return sorted(found.rows["id"].to_pylist())
