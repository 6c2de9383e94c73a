"""The verification of one table's targets: read each back, and hold it against the source."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from converters.errors import InvalidRequest
from converters.registry import open_target, parse_options
from converters.storage.base import Storage
from converters.storage.location import canonical
from converters.storage.object_store import ObjectStorage
from converters.sync.detection import open_source
from converters.sync.options import SyncOptions
from converters.sync.report import SourceSummary
from converters.sync.target_sync import current
from converters.sync.wanted import check_option_keys, target_location, wanted_targets
from converters.verification.report import VerifyMode, VerifyReport
from converters.verification.source_versions import SourceVersions
from converters.verification.target_check import TargetCheck

__all__ = ["check_verify_mode", "verify"]


def check_verify_mode(mode: str) -> None:
    """Make sure that a verification is possible, before something is converted that is then to be verified.

    Raises:
        InvalidRequest: There is no such mode, or DuckDB lacks an extension that ``rows`` needs.
    """
    if mode not in get_args(VerifyMode):
        raise InvalidRequest(f"'{mode[:64]}' is no way to verify.", hint="Say metadata or rows.")
    if mode == "rows":
        from converters.verification.duck import check_extensions  # noqa: PLC0415 - heavy

        check_extensions()


def verify(
    source: str,
    targets: Sequence[str],
    *,
    mode: VerifyMode = "metadata",
    source_format: str | None = None,
    target_path: str | None = None,
    options: Mapping[str, str] | None = None,
    storage: Storage | None = None,
) -> VerifyReport:
    """Compare targets with their source.

    Each target is read back by its format's own source, and compared with the source at the version that the target
    says it equals: live files, sizes, row counts, deleted rows, schema, partition values, statistics.  A target that
    is behind is no error.

    Args:
        source: As for ``convert``.
        targets: As for ``convert``.
        mode: ``metadata``, or ``rows``: also read both sides with DuckDB, and compare the number and a hash of all
            rows.
        source_format: As for ``convert``.
        target_path: As for ``convert``.
        options: Those of the conversion.
        storage: As for ``convert``; with ``rows``, DuckDB reads local files, and S3 with the environment's credentials.

    Returns:
        What was compared, and what came of it.

    Raises:
        InvalidRequest: The arguments make no sense, or DuckDB lacks an extension that ``rows`` needs.
        SourceTableNotFound: No table is at ``source``.
        CorruptTable: The source's metadata cannot be read.
        UnsupportedTableFeature: The source uses a feature that we do not know.
        StorageError: The storage failed while the source was read.
    """
    started = time.monotonic()
    check_verify_mode(mode)
    storage = storage or ObjectStorage()
    given = dict(options or {})
    opened = open_source(source, source_format, given, storage, targets=targets)
    wanted = wanted_targets(targets, opened.format_name)
    parse_options(SyncOptions, given, "sync.")
    check_option_keys(given, type(opened), wanted)
    base_path = canonical(target_path, relative_to_cwd=True) if target_path else None
    places = [(plugin, target_location(plugin, opened, base_path)) for plugin in wanted]
    tables = [(open_target(plugin, storage, place, given), place) for plugin, place in places]
    rows = None
    if mode == "rows":
        from converters.verification.rows import RowComparison  # noqa: PLC0415 - heavy

        rows = RowComparison()
    # The targets first, the source second, as in a conversion: none can then be ahead of the source.
    bases = [current(target) for target, _ in tables]
    with tempfile.TemporaryDirectory(prefix="tablecast-verify-") as work:
        versions = SourceVersions(opened, given, storage, Path(work))
        reports = tuple(
            TargetCheck(target, place, versions, storage, Path(work), rows).run(base)
            for (target, place), base in zip(tables, bases, strict=True)
        )
    read = versions.newest
    summary = SourceSummary(
        format=read.table.format,
        location=read.table.location,
        version=read.version,
        committed_at=read.committed_at,
        name=read.table.name,
    )
    return VerifyReport(source=summary, mode=mode, targets=reports, seconds=time.monotonic() - started)
