"""Finding records of the metadata table by their keys, many at a time and again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["KeyLookup"]

IntArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]

_WORD = 8
_MIX = np.uint64(0x9E3779B97F4A7C15)


class KeyLookup:
    """Where keys stand among others, all of one length, no two of them equal.

    The keys' digests are sorted once; what has the same digest is compared byte by byte.
    """

    def __init__(self, keys: ByteArray) -> None:
        """Take the keys, a row each."""
        self.keys = keys
        digests = _digests(keys)
        self._order = np.argsort(digests, kind="stable")
        self._digests = digests[self._order]

    def places(self, wanted: ByteArray) -> IntArray:
        """The rows of the keys wanted; -1 for those that are not there."""
        found = np.full(len(wanted), -1, np.int64)
        digests = _digests(wanted)
        left = np.searchsorted(self._digests, digests)
        open_ = np.flatnonzero(left < len(self._digests))
        # Nearly always one step: a second one takes two keys of one digest.
        while len(open_):
            at = left[open_]
            alike = self._digests[at] == digests[open_]
            open_, at = open_[alike], at[alike]
            rows = self._order[at]
            same = (self.keys[rows] == wanted[open_]).all(axis=1)
            found[open_[same]] = rows[same]
            open_ = open_[~same]
            left[open_] += 1
            open_ = open_[left[open_] < len(self._digests)]
        return found


def _digests(keys: ByteArray) -> npt.NDArray[np.uint64]:
    """One number for each key."""
    padded = np.zeros((len(keys), -(-keys.shape[1] // _WORD) * _WORD), np.uint8)
    padded[:, : keys.shape[1]] = keys
    words: npt.NDArray[Any] = padded.view("<u8")
    digests = np.zeros(len(keys), np.uint64)
    for word in words.T:
        digests = (digests ^ word) * _MIX
        digests ^= digests >> np.uint64(29)
    return digests
