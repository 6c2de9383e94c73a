"""Writing large local files from a stream, whole or not at all, without holding them in memory."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import IO

__all__ = ["write_file"]

_CHUNK = 2**20


def write_file(path: str, data: IO[bytes], *, only_if_absent: bool) -> None:
    """Create a file, or replace it, in one atomic step; directories that are missing are made.

    Args:
        path: A path on this machine.
        data: What to write, from where it stands.
        only_if_absent: Leave a file that is there as it is.

    Raises:
        FileExistsError: It is there and ``only_if_absent``.
        OSError: The file system failed; nothing is left behind.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A leading dot, as table formats pass over such names.
    temporary = target.with_name(f".{target.name[:128]}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            shutil.copyfileobj(data, file, _CHUNK)
        if only_if_absent:
            os.link(temporary, target)
        else:
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
