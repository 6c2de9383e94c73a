"""The Hudi target: writes a table's timeline and metadata table so that they list another table's files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import msgspec
import pyarrow as pa

from converters.errors import UnsupportedTableFeature
from converters.formats import Commit, TargetTable
from converters.hudi.schema.reader_limits import ReaderLimit, reader_limits
from converters.hudi.table_config import hoodie_directory
from converters.hudi.writing.base import Base, read_base
from converters.hudi.writing.column_index import MOST_COLUMNS
from converters.hudi.writing.layout import LayoutPlan
from converters.hudi.writing.replacement import Replacement
from converters.hudi.writing.step import Step
from converters.model.change import Change
from converters.model.snapshot import Snapshot
from converters.model.types import PRIMITIVE_KINDS, Field, StructType
from converters.storage.base import Storage
from converters.storage.location import canonical
from converters.sync.state import SyncState

__all__ = ["HudiTarget", "HudiTargetOptions"]

_VERSIONS = {6, 9}


class HudiTargetOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``hudi.target.``.

    Attributes:
        column_stats: Whether readers can skip files by statistics of columns; decided by the first sync.
        column_stats_columns: Of how many columns, the first ones that can have them; decided by the first sync.
        retention_hours: How old a commit may become before time travel to it is given up.
        table_version: 6, or 9, which Hudi before 1.1 and hudi-rs cannot read; decided by the first sync.
        local_timestamps: Write timestamps without a zone, too.  Only Hudi 1.2 reads them; 1.0 shows numbers of seconds.
    """

    column_stats: bool = True
    column_stats_columns: int = 32
    retention_hours: int = 168
    table_version: int = 6
    local_timestamps: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is not understood.
        """
        if self.table_version not in _VERSIONS:
            msg = "table-version must be 6 or 9"
            raise ValueError(msg)
        if self.column_stats_columns < 1:
            msg = "column-stats-columns must be at least 1"
            raise ValueError(msg)
        if self.retention_hours < 0:
            msg = "retention-hours must not be negative"
            raise ValueError(msg)


class HudiTarget:
    """Writes one Hudi table, copy on write, whose files lie below its directory."""

    format_name: ClassVar[str] = "HUDI"
    options_type: ClassVar[type[msgspec.Struct]] = HudiTargetOptions
    lies_with_data: ClassVar[bool] = True

    def __init__(self, storage: Storage, location: str, options: HudiTargetOptions) -> None:
        """Name the table; nothing is read yet."""
        self._storage = storage
        self._location = canonical(location)
        self._options = options

    @classmethod
    def open(cls, storage: Storage, location: str, options: Any) -> Self:
        """Name the table to write: the directory that all its data files lie below; see ``Target.open``."""
        return cls(storage, location, options)

    def current(self) -> TargetTable | None:
        """Read what is at the target now; see ``Target.current``.

        Raises:
            CorruptTable: Its properties or its newest commit cannot be read.
            UnsupportedTableFeature: It is of a table version that is not supported.
        """
        base = read_base(self._storage, self._location)
        if base is None:
            return None
        return TargetTable(
            version=base.version,
            state=SyncState.from_properties(base.noted),
            changed=base.changed,
            metadata_path=hoodie_directory(self._location),
            schema_text=base.schema_text,
            handle=base,
        )

    def check(self, snapshot: Snapshot) -> list[str]:
        """Refuse what Hudi cannot carry; see ``Target.check``.

        Raises:
            UnsupportedTableFeature: Names the feature and the column.
        """
        plan = LayoutPlan(snapshot.table, self._location, _name(snapshot))
        limits = reader_limits(plan.schema)
        if not self._options.local_timestamps:
            _refuse_misread(limits)
        notes = ["Readers need Hudi's metadata table (hoodie.metadata.enable=true, which Hudi 0.15 has off)."]
        if self._options.table_version != 6:
            notes.append("Table version 9 cannot be read by Hudi before 1.1, nor by hudi-rs.")
        columns = len(plan.schema.fields) - len(plan.partition_columns)
        if self._options.column_stats and columns > MOST_COLUMNS:
            notes.append(
                f"The table has {columns} columns, and so no statistics of columns by which readers would skip files: "
                f"at most {MOST_COLUMNS} may."
            )
        elif self._options.column_stats and any(map(_is_beyond_bounds, plan.schema.fields)):
            notes.append(
                "Where Hudi 0.15 has data skipping turned on, it misses rows when a filter compares a floating column "
                "with NaN or a whole struct with a value; hudi.target.column-stats=false avoids that."
            )
        return notes + [
            f"Not every Hudi reads the column '{each.column}' ({each.type}): {each.what}." for each in limits
        ]

    def replace(
        self,
        snapshot: Snapshot,
        files: Iterator[pa.RecordBatch],
        state: SyncState,
        base: TargetTable | None,
    ) -> Commit:
        """Make the target equal to the snapshot; see ``Target.replace``.

        Raises:
            UnsupportedTableFeature: A file or the table that is there cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read, or is writing; nothing of ours is visible.
        """
        handle: Base | None = base.handle if base is not None else None
        # The name of a table stays, so that its schema does not change with it.
        name = handle.config.name if handle is not None else _name(snapshot)
        plan = LayoutPlan(snapshot.table, self._location, name)
        replacement = Replacement(self._storage, self._location, name, snapshot, state, handle)
        return replacement.run(
            plan,
            files,
            indexed=self._options.column_stats_columns if self._options.column_stats else 0,
            retention_hours=self._options.retention_hours,
            version=self._options.table_version,
        )

    def advance(self, change: Change, state: SyncState, base: TargetTable) -> Commit:
        """Apply one change; see ``Target.advance``.

        Raises:
            FullSyncNeeded: It concerns files that it does not name, or one comes back that was removed.
            UnsupportedTableFeature: The change or the table that is there cannot be carried; nothing was written.
            CommitConflict: Somebody committed after ``base`` was read, or is writing; nothing of ours is visible.
        """
        handle: Base = base.handle
        plan = LayoutPlan(change.snapshot.table, self._location, handle.config.name)
        hours = self._options.retention_hours
        return Step(self._storage, self._location, handle, change, state, hours).run(plan)


def _name(snapshot: Snapshot) -> str:
    return snapshot.table.name or snapshot.table.location.rpartition("/")[2] or "table"


def _is_beyond_bounds(field: Field) -> bool:
    """Whether a column has values that the bounds which exclude nothing (``column_fillers``) do exclude for 0.15."""
    return isinstance(field.type, StructType) or field.type in {PRIMITIVE_KINDS["float"], PRIMITIVE_KINDS["double"]}


def _refuse_misread(limits: tuple[ReaderLimit, ...]) -> None:
    """Refuse columns that some version of Hudi shows as other values without an error."""
    for limit in limits:
        if limit.is_silent:
            raise UnsupportedTableFeature(
                f"The column '{limit.column}' has type '{limit.type}', which not every version of Hudi reads: "
                f"{limit.what}.",
                hint="Where only Hudi 1.2 or later reads the table: hudi.target.local-timestamps=true.",
            )
