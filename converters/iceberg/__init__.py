"""Apache Iceberg tables, format versions 1 to 3, as a source and as a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters.iceberg.source import IcebergSource
    from converters.iceberg.target import IcebergTarget

__all__ = ["IcebergSource", "IcebergTarget"]


def __getattr__(name: str) -> Any:
    """Load the source or the target when it is asked for: neither needs the other's libraries."""
    if name == "IcebergSource":
        from converters.iceberg.source import IcebergSource  # noqa: PLC0415

        return IcebergSource
    if name == "IcebergTarget":
        from converters.iceberg.target import IcebergTarget  # noqa: PLC0415

        return IcebergTarget
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
