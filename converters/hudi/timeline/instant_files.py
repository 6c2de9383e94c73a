"""Names of the files of an instant that is written (``timeline.active`` tells how they are read)."""

from __future__ import annotations

from typing import Literal

from converters.hudi.timeline.instants import instant_millis, instant_time
from converters.storage.location import join

__all__ = ["InstantFiles"]

Action = Literal["replacecommit", "deltacommit"]


class InstantFiles:
    """The files of one instant.

    Attributes:
        time: The instant's time.
        requested: The location of the file that announces it.
        inflight: The location of the file that says that it has begun.
        completed: The location of the file that makes it visible.
    """

    def __init__(self, directory: str, layout: int, time: str, action: Action) -> None:
        """Name them.

        Args:
            directory: The timeline's.
            layout: 1 or 2.
            time: The instant's.
            action: The instant's.
        """
        self.time = time
        self.requested = join(directory, f"{time}.{action}.requested")
        self.inflight = join(directory, f"{time}.{action}.inflight")
        # Layout 2 names when it was completed.  One millisecond after it was asked for: instants of a target follow
        # each other, and time travel by either time then finds the same.
        done = time if layout == 1 else f"{time}_{completion_time(time)}"
        self.completed = join(directory, f"{done}.{action}")


def completion_time(time: str) -> str:
    """When an instant of ours is completed, as layout 2 has it."""
    return instant_time(instant_millis(time) + 1)
