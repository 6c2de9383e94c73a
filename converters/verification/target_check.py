"""Comparing one target with the source."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import msgspec

from converters.errors import CommitConflict, TablecastError
from converters.formats import Source, Target, TargetTable
from converters.model.snapshot import Snapshot
from converters.registry import source_class
from converters.storage.base import Storage
from converters.sync.report import TargetError
from converters.sync.target_sync import Base, current
from converters.verification.bounds import BoundsCheck
from converters.verification.deletes import DeleteCheck
from converters.verification.files import FileCheck
from converters.verification.listing import Listing, together
from converters.verification.partitions import PartitionCheck
from converters.verification.report import Check, TargetVerification, result_of
from converters.verification.schema import schema_check
from converters.verification.source_versions import SourceAt, SourceVersions
from converters.verification.standing import standing

__all__ = ["Rows", "TargetCheck"]

_ATTEMPTS = 4


class Rows(Protocol):
    """What compares the rows of two tables."""

    def check(self, source: SourceAt, target: Snapshot, target_listing: Listing) -> Check:
        """The check ``rows``."""
        ...


class TargetCheck:
    """One target in one call of ``verify``."""

    def __init__(
        self,
        target: Target,
        location: str,
        source: SourceVersions,
        storage: Storage,
        work: Path,
        rows: Rows | None,
    ) -> None:
        """Name the parts; nothing is read yet.

        Args:
            target: The target.
            location: Where it is.
            source: What it should equal.
            storage: Where both are.
            work: A directory for what does not fit into memory.
            rows: What compares rows, if they are to be.
        """
        self._target = target
        self._location = location
        self._source = source
        self._storage = storage
        self._work = work
        self._rows = rows

    def run(self, base: Base) -> TargetVerification:
        """Compare it; errors go into the report.

        Args:
            base: What is there, read before the source.
        """
        for _ in range(_ATTEMPTS):
            if isinstance(base, TablecastError):
                return self._failed(base)
            if base is None:
                detail = f"there is no {self._target.format_name} table at '{self._location}'"
                return self._report((Check(name="state", result="differs", detail=detail),), None)
            found, following = self._compared(base), current(self._target)
            if isinstance(following, TargetTable) and following.version == base.version:
                return found
            base = following
        return self._failed(CommitConflict("The target kept changing while it was read.", hint="Verify again."))

    def _failed(self, error: TablecastError) -> TargetVerification:
        unread = Check(name="files", result="not-compared", detail="the target cannot be read")
        return msgspec.structs.replace(self._report((unread,), None), error=TargetError.of(error))

    def _compared(self, base: TargetTable) -> TargetVerification:
        state, version = standing(base, self._source.newest)
        try:
            source = self._source.at(version)
        except TablecastError as error:
            detail = f"the source's version {version or self._source.newest.version} cannot be read: {error.message}"
            return self._report((state, Check(name="files", result="not-compared", detail=detail)), base)
        try:
            plugin = source_class(self._target.format_name)
            reader = plugin.open(self._storage, self._location, plugin.options_type())
            snapshot = reader.snapshot()
            source = self._before_new_schema(source, snapshot)
            checks = (state, *self._metadata_checks(source, reader, snapshot))
        except TablecastError as error:
            unread = Check(name="files", result="not-compared", detail="the target cannot be read")
            return msgspec.structs.replace(self._report((state, unread), base), error=TargetError.of(error))
        found = self._report(checks, base, is_behind=not source.is_newest)
        return msgspec.structs.replace(found, source_version=source.snapshot.version)

    def _before_new_schema(self, source: SourceAt, target: Snapshot) -> SourceAt:
        """The source as its newest version was committed, if that explains the target's schema.

        Iceberg changes a schema without a new snapshot: a target from before is behind, not wrong.
        """
        ours, theirs = source.snapshot.table, target.table
        if not source.is_newest or schema_check(ours, theirs).result == "ok":
            return source
        try:
            committed = self._source.at(source.snapshot.version, as_committed=True)
        except TablecastError:
            return source
        return committed if schema_check(committed.snapshot.table, theirs).result == "ok" else source

    def _metadata_checks(self, source: SourceAt, reader: Source, snapshot: Snapshot) -> tuple[Check, ...]:
        ours, theirs = source.snapshot.table, snapshot.table
        comparisons = (
            FileCheck(),
            DeleteCheck(self._storage),
            PartitionCheck(ours, theirs),
            BoundsCheck(ours, theirs, self._storage),
        )
        checks = [schema_check(ours, theirs)]
        with tempfile.TemporaryDirectory(dir=self._work) as directory:
            listing = Listing.of(reader.data_files(snapshot), source.parts, Path(directory), self._storage.roots)
            for part in together(source.listing, listing, source.parts):
                for comparison in comparisons:
                    comparison.take(part)
            checks += [check for comparison in comparisons for check in comparison.checks()]
            if self._rows is not None:
                checks.append(self._rows.check(source, snapshot, listing))
        return tuple(checks)

    def _report(
        self, checks: tuple[Check, ...], base: TargetTable | None, *, is_behind: bool = False
    ) -> TargetVerification:
        return TargetVerification(
            format=self._target.format_name,
            location=self._location,
            result=result_of(checks, is_behind=is_behind),
            version=None if base is None else base.version,
            checks=checks,
        )
