"""From deleted rows' positions to a deletion vector's blob and back; see ``converters.model.deletion_vector``."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from converters.errors import CorruptTable, LimitExceeded

__all__ = ["MAGIC", "MOST_BYTES", "blob_of", "check_blob", "positions_in", "wrapped"]

MAGIC = b"\xd1\xd3\x39\x64"

MOST_BYTES = 256 * 2**20
"""Largest blob that is read."""

_MOST_POSITIONS = 2**28
_FRAME = 4 + 4

Positions = npt.NDArray[np.uint64]


def wrapped(data: bytes) -> bytes:
    """The blob of what is between length and checksum: magic number and bitmap."""
    return len(data).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")


def blob_of(positions: Positions) -> bytes:
    """The blob that deletes the rows at these positions (from 0, in any order)."""
    from pyroaring import BitMap64  # noqa: PLC0415 - only where rows are deleted

    bitmap = BitMap64(positions)
    bitmap.run_optimize()
    return wrapped(MAGIC + bitmap.serialize())


def check_blob(blob: bytes, where: str) -> memoryview:
    """Check a blob's length, magic number and checksum.

    Args:
        blob: The whole blob.
        where: What it is, for messages.

    Returns:
        The bitmap.

    Raises:
        CorruptTable: It is damaged.
    """
    data = memoryview(blob)[4:-4]
    if len(blob) < _FRAME + len(MAGIC) or int.from_bytes(blob[:4], "big") != len(data):
        raise CorruptTable(f"{where} is damaged: its length is not what it says.")
    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise CorruptTable(f"{where} is damaged: it does not begin with the magic number of a deletion vector.")
    if zlib.crc32(data) != int.from_bytes(blob[-4:], "big"):
        raise CorruptTable(f"{where} is damaged: its checksum is wrong.")
    return data[len(MAGIC) :]


def positions_in(blob: bytes, where: str) -> Positions:
    """The positions that a blob deletes, ascending.

    Args:
        blob: The whole blob.
        where: What it is, for messages.

    Raises:
        CorruptTable: It is damaged.
        LimitExceeded: It deletes more rows than a data file can have.
    """
    from pyroaring import BitMap64  # noqa: PLC0415 - only where rows are deleted

    bitmap = check_blob(blob, where)
    try:
        found = BitMap64.deserialize(bytes(bitmap))
    except (ValueError, MemoryError) as error:
        raise CorruptTable(f"{where} is damaged: its bitmap cannot be read ({error}).") from error
    if len(found) > _MOST_POSITIONS:
        raise LimitExceeded(f"{where} deletes {len(found):,} rows; at most {_MOST_POSITIONS:,} are read.")
    return np.fromiter(found, np.uint64, len(found))
