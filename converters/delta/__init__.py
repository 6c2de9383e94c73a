"""Delta Lake, as a source and as a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters.delta.source import DeltaSource
    from converters.delta.target import DeltaTarget

__all__ = ["DeltaSource", "DeltaTarget"]


def __getattr__(name: str) -> Any:
    """Load the source or the target when it is asked for: neither needs the other's libraries."""
    if name == "DeltaSource":
        from converters.delta.source import DeltaSource  # noqa: PLC0415

        return DeltaSource
    if name == "DeltaTarget":
        from converters.delta.target import DeltaTarget  # noqa: PLC0415

        return DeltaTarget
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
