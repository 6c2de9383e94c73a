"""Writing large local files from a stream, whole or not at all, without holding them in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
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
        if not _is_linked(data, temporary):
            with temporary.open("xb") as file:
                shutil.copyfileobj(data, file, _CHUNK)
        if only_if_absent:
            os.link(temporary, target)
        else:
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _is_linked(data: IO[bytes], temporary: Path) -> bool:
    """Give a temporary file that is read from its start a second name, where that does instead of a copy."""
    name = getattr(data, "name", None)
    if not isinstance(name, str) or not name.startswith(tempfile.gettempdir()) or data.tell():
        return False
    try:
        os.link(name, temporary)
    except OSError:
        return False  # another file system, or one without links
    # Temporary files are their owner's only; what is beside it tells whom the table is for.
    temporary.chmod(temporary.parent.stat().st_mode & 0o666)
    return True
