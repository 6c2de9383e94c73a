"""Tablecast's library: one set of Parquet files, readable as Iceberg, Delta Lake and Hudi, by translating metadata.

>>> import converters
>>> report = converters.convert("/data/sales", ["iceberg"])  # doctest: +SKIP
>>> report.targets[0].metadata_path  # doctest: +SKIP
'file:///data/sales/metadata/v1.metadata.json'
"""

from typing import TYPE_CHECKING, Any

from converters import errors
from converters.errors import TablecastError
from converters.registry import FormatSupport, formats
from converters.storage import ObjectStorage, Roots, Storage
from converters.sync.convert import convert
from converters.sync.inspect import TableDescription, inspect
from converters.sync.report import ConversionReport, Progress, SourceSummary, TargetError, TargetReport

if TYPE_CHECKING:
    from converters.verification import TargetVerification, VerifyReport, check_verify_mode, verify

__all__ = [
    "ConversionReport",
    "FormatSupport",
    "ObjectStorage",
    "Progress",
    "Roots",
    "SourceSummary",
    "Storage",
    "TableDescription",
    "TablecastError",
    "TargetError",
    "TargetReport",
    "TargetVerification",
    "VerifyReport",
    "check_verify_mode",
    "convert",
    "errors",
    "formats",
    "inspect",
    "verify",
]


def __getattr__(name: str) -> Any:
    """What only a verification needs is imported when it is first asked for: most conversions do without."""
    if name in {"TargetVerification", "VerifyReport", "check_verify_mode", "verify"}:
        from converters import verification  # noqa: PLC0415

        return getattr(verification, name)
    msg = f"module 'converters' has no attribute '{name}'"
    raise AttributeError(msg)
