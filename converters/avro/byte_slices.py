"""Slices of one buffer as a binary array."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["copied_slices"]


def copied_slices(data: bytes | bytearray, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pa.Array:
    """Copy slices of a buffer.

    Args:
        data: The buffer.
        starts: Where each begins, in ascending order; no slice may begin before the one before it ends.
        lengths: How long each is.

    Returns:
        A large binary array: every other value of one that the whole buffer is cut into.
    """
    count = len(starts)
    bounds = np.empty(2 * count + 1, np.int64)
    bounds[0:-1:2] = starts
    bounds[1::2] = starts + lengths
    bounds[-1] = bounds[-2] if count else 0
    cut = pa.Array.from_buffers(pa.large_binary(), 2 * count, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    return cut.take(pa.array(np.arange(0, 2 * count, 2)))
