"""What a caller may say of a sync, whatever the formats."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["SyncOptions"]


class SyncOptions(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """Options under ``sync.``.

    Attributes:
        mode: ``incremental``: one target commit for each source commit since the last sync, where the history allows
            it; ``full``: compare all files, and make one commit of what differs.
        max_commits: How many commits an incremental sync writes to a target at most; the next sync goes on from there.
        on_conflict: ``refuse`` or ``replace`` a target that somebody else wrote or changed.
    """

    mode: Literal["incremental", "full"] = "incremental"
    max_commits: int | None = None
    on_conflict: Literal["refuse", "replace"] = "refuse"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is not understood.
        """
        if self.max_commits is not None and self.max_commits < 1:
            msg = "max-commits must be at least 1"
            raise ValueError(msg)
