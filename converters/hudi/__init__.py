"""Apache Hudi, as a source and as a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converters.hudi.source import HudiSource
    from converters.hudi.target import HudiTarget

__all__ = ["HudiSource", "HudiTarget"]


def __getattr__(name: str) -> Any:
    """Load the source or the target when it is asked for: neither needs the other's libraries."""
    if name == "HudiSource":
        from converters.hudi.source import HudiSource  # noqa: PLC0415

        return HudiSource
    if name == "HudiTarget":
        from converters.hudi.target import HudiTarget  # noqa: PLC0415

        return HudiTarget
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
