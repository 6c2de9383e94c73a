"""What goes over the wire: the schemas of ``openapi.yaml`` as structs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.access import limits

__all__ = [
    "Check",
    "ConvertTableRequest",
    "ConvertTableResponse",
    "ErrorModel",
    "Health",
    "TargetOutcome",
    "TargetTable",
    "Verification",
]

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME)]
Path = Annotated[str, Meta(min_length=1, max_length=limits.PATH)]
ConfigurationValue = Annotated[str, Meta(max_length=limits.CONFIGURATION_VALUE)]


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A JSON object; members that are not set are left out, unknown ones are ignored."""


class ConvertTableRequest(Wire, frozen=True, kw_only=True):
    """What to convert: XTable's request, with the data path that its Java service needs."""

    source_format: Name
    source_table_name: Name
    source_table_path: Path
    target_formats: Annotated[list[Name], Meta(min_length=1, max_length=limits.TARGETS)]
    source_data_path: Path | None = None
    configurations: Annotated[dict[Name, ConfigurationValue], Meta(max_length=limits.CONFIGURATIONS)] | None = None
    verify: Literal["metadata", "rows"] | None = None


class Check(Wire, frozen=True, kw_only=True):
    """One respect in which a target was compared with the source."""

    name: str
    result: Literal["ok", "differs", "not-compared"]
    detail: str
    examples: list[str] | UnsetType = UNSET


class Verification(Wire, frozen=True, kw_only=True):
    """What came of comparing a target with the source."""

    result: Literal["equal", "behind", "differs", "unverified"]
    checks: list[Check]
    source_version: str | UnsetType = UNSET


class TargetTable(Wire, frozen=True, kw_only=True):
    """A table that is readable in the target format now; the first three members are XTable's."""

    target_format: str
    target_metadata_path: str
    target_schema: str | UnsetType = UNSET
    status: Literal["synced", "unchanged"] | UnsetType = UNSET
    mode: Literal["incremental", "full"] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    source_version_before: str | UnsetType = UNSET
    source_version: str | UnsetType = UNSET
    commits: int | UnsetType = UNSET
    files_added: int | UnsetType = UNSET
    files_removed: int | UnsetType = UNSET
    is_behind: bool | UnsetType = UNSET
    notes: list[str] | UnsetType = UNSET
    verification: Verification | UnsetType = UNSET


class ConvertTableResponse(Wire, frozen=True, kw_only=True):
    """The tables that were converted to; ``convertedTables`` is the Java service's name for the list."""

    conversions: list[TargetTable] | UnsetType = UNSET
    converted_tables: list[TargetTable] | UnsetType = msgspec.field(default=UNSET, name="convertedTables")


class TargetOutcome(Wire, frozen=True, kw_only=True):
    """What became of one target when another, or this one, failed."""

    target_format: str
    status: Literal["synced", "unchanged", "failed"]
    target_metadata_path: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    verification: Verification | UnsetType = UNSET


class ErrorModel(Wire, frozen=True, kw_only=True):
    """Every error: XTable's flat model, and what became of each target where some were tried."""

    message: str
    type: str
    code: Annotated[int, Meta(ge=400, le=600)]
    stack: list[str] = []
    targets: list[TargetOutcome] | UnsetType = UNSET


class Health(Wire, frozen=True, kw_only=True):
    """Whether the service is well, and how many of its workers take conversions."""

    status: Literal["ok", "starting"]
    workers: int | UnsetType = UNSET
