"""What a worker reports, as the contract has it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.contract import ConvertTableResponse, TargetOutcome, TargetTable, Verification
from app.engine import messages

__all__ = ["ResponseKey", "response", "target_outcome"]

ResponseKey = Literal["conversions", "convertedTables", "both"]


def response(outcome: messages.Outcome, key: ResponseKey) -> ConvertTableResponse:
    """The answer to a conversion none of whose targets failed.

    Args:
        outcome: What the worker says.
        key: The setting of that name.
    """
    tables = [_table(target) for target in outcome.targets]
    # XTable's clients may refuse members that its service never sends.
    as_java = [
        TargetTable(
            target_format=table.target_format,
            target_metadata_path=table.target_metadata_path,
            target_schema=table.target_schema,
        )
        for table in tables
    ]
    return ConvertTableResponse(
        conversions=UNSET if key == "convertedTables" else tables,
        converted_tables=UNSET if key == "conversions" else as_java,
    )


def target_outcome(target: messages.TargetOutcome) -> TargetOutcome:
    """What became of a target of a conversion of which one failed."""
    error = target.error
    return TargetOutcome(
        target_format=target.format,
        status="failed" if error is not None else _status(target),
        target_metadata_path=target.metadata_path or UNSET,
        type=UNSET if error is None else error.type,
        message=UNSET if error is None else f"{error.message} {error.hint}".strip(),
        verification=_verification(target),
    )


def _table(target: messages.TargetOutcome) -> TargetTable:
    return TargetTable(
        target_format=target.format,
        target_metadata_path=target.metadata_path or "",
        target_schema=target.schema or UNSET,
        status=_status(target),
        mode=UNSET if target.mode is None else _mode(target.mode),
        reason=target.reason or UNSET,
        source_version_before=_said(target.source_version_before),
        source_version=_said(target.source_version),
        commits=target.commits,
        files_added=target.files_added,
        files_removed=target.files_removed,
        is_behind=target.is_behind,
        notes=list(target.notes) or UNSET,
        verification=_verification(target),
    )


def _status(target: messages.TargetOutcome) -> Literal["synced", "unchanged"]:
    return "unchanged" if target.status == "unchanged" else "synced"


def _mode(mode: str) -> Literal["incremental", "full"]:
    return "full" if mode == "full" else "incremental"


def _said(version: str | None) -> str | UnsetType:
    return UNSET if version is None else version


def _verification(target: messages.TargetOutcome) -> Verification | UnsetType:
    found = target.verification
    if found is None:
        return UNSET
    checks = [
        {"name": each.name, "result": each.result, "detail": each.detail}
        | ({"examples": list(each.examples)} if each.examples else {})
        for each in found.checks
    ]
    said = {"source-version": found.source_version} if found.source_version is not None else {}
    return msgspec.convert({"result": found.result, "checks": checks, **said}, Verification)
