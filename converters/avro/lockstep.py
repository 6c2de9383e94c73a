"""Decoding many Avro records of one schema together: a step reads the next value of every record, with numpy.

A record's values stand one after another and have no places of their own, so that a record must be walked; but records
do not depend on each other.  Source: Avro specification 1.12, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from converters.avro.shapes import Shape

__all__ = ["Cursor", "DamagedRecordsError"]

IntArray = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]

_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_ONE = np.uint64(1)
_WORD = 8
_LONGEST_VARINT = 10
_MOST_ITEMS = 1000
_WIDTHS = {"boolean": 1, "float": 4, "double": 8}


class DamagedRecordsError(ValueError):
    """The bytes are no records of this schema."""


class Cursor:
    """A place in each of many records.

    Attributes:
        data: What the records stand in; at least sixteen bytes follow the last of them.
        places: The place in each record.
    """

    def __init__(self, data: bytes | bytearray, places: IntArray, ends: IntArray) -> None:
        """Begin to read records.

        Args:
            data: What they stand in.
            places: Where each begins.
            ends: Where each ends.
        """
        self.data = data
        self.places = places
        self._ends = ends
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        # Eight bytes from any place on, as one little-endian number.
        self._words = np.ndarray((max(len(data) - _WORD + 1, 0),), "<u8", data, strides=(1,))

    def __len__(self) -> int:
        return len(self.places)

    def longs(self) -> IntArray:
        """Read an ``int``, ``long`` or ``enum``."""
        first = self._bytes[self.places]
        if not bool((first & 0x80).any()):
            self.advance(1)
            zigzagged = first.astype(np.uint64)
        else:
            zigzagged = self._varints()
        return ((zigzagged >> _ONE) ^ (np.uint64(0) - (zigzagged & _ONE))).view(np.int64)

    def booleans(self) -> npt.NDArray[np.bool_]:
        """Read a ``boolean``."""
        values = self._bytes[self.places]
        self.advance(1)
        if bool((values > 1).any()):
            raise DamagedRecordsError("a boolean is neither true nor false")
        return values.view(np.bool_)

    def doubles(self) -> npt.NDArray[np.float64]:
        """Read a ``double``."""
        values = self._words[self.places].view("<f8")
        self.advance(8)
        return values

    def floats(self) -> npt.NDArray[np.float32]:
        """Read a ``float``."""
        values = self._words[self.places].astype(np.uint32).view("<f4")
        self.advance(4)
        return values

    def slices(self) -> tuple[IntArray, IntArray]:
        """Read ``bytes`` or a ``string``: where each begins, and its length."""
        lengths = self.longs()
        starts = self.places
        self.advance(lengths)
        return starts, lengths

    def advance(self, count: int | IntArray) -> None:
        """Pass over bytes."""
        if not isinstance(count, int) and bool((count < 0).any()):
            raise DamagedRecordsError("a length is negative")
        # A length may be so large that the sum is out of range: it is compared with what is left.
        if bool((self._ends - self.places < count).any()):
            raise DamagedRecordsError("a value is longer than its record")
        self.places = self.places + count

    def branches(self, union: Shape) -> Iterator[tuple[Shape, Rows | None, Cursor]]:
        """Read a union: for each branch that there is, its shape, the records that have it, and a cursor in these.

        Rows are None for all.  Each cursor must be at the end of its values when the next branch is asked for.
        """
        tags = self.longs()
        if len(tags) == 0:
            return
        lowest, highest = int(tags.min()), int(tags.max())
        if lowest < 0 or highest >= len(union.members):
            raise DamagedRecordsError("a union has a branch that its schema has not")
        if lowest == highest:
            yield union.members[lowest], None, self
            return
        for tag in np.unique(tags).tolist():
            rows = np.flatnonzero(tags == tag)
            part = self.part(rows)
            yield union.members[tag], rows, part
            self.put_back(rows, part)

    def skip(self, shape: Shape) -> None:
        """Pass over a value."""
        if shape.kind in _WIDTHS:
            self.advance(_WIDTHS[shape.kind])
        elif shape.kind == "long":
            self.longs()
        elif shape.kind == "bytes":
            self.slices()
        elif shape.kind == "fixed":
            self.advance(shape.size)
        elif shape.kind == "record":
            for member in shape.members:
                self.skip(member)
        elif shape.kind == "union":
            for member, _, part in self.branches(shape):
                part.skip(member)
        elif shape.kind in {"array", "map"}:
            self._skip_items(shape)

    def check_ended(self) -> None:
        """Check that every record has been read to its end."""
        if bool((self.places != self._ends).any()):
            raise DamagedRecordsError("a record is longer than its schema says")

    def part(self, rows: Rows) -> Cursor:
        """A cursor in some of the records."""
        return Cursor(self.data, self.places[rows], self._ends[rows])

    def put_back(self, rows: Rows, part: Cursor) -> None:
        """Go on in some records from where another cursor is."""
        places = self.places.copy()
        places[rows] = part.places
        self.places = places

    def _skip_items(self, shape: Shape) -> None:
        """Pass over the blocks of arrays or maps, few items each; a block of no items is the last."""
        left = np.arange(len(self))
        steps = 0
        while len(left):
            block = self.part(left)
            counts = block.longs()
            sized = np.flatnonzero(counts < 0)
            if len(sized):
                whole = block.part(sized)
                whole.slices()  # the block's length in bytes stands before it
                block.put_back(sized, whole)
            self.put_back(left, block)
            most = int(counts.max())
            steps += 1 + max(most, 0)
            if steps > _MOST_ITEMS:
                raise DamagedRecordsError("a list or map has more items than Hudi writes")
            for step in range(most):
                rows = left[counts > step]
                item = self.part(rows)
                if shape.kind == "map":
                    item.slices()
                item.skip(shape.members[0])
                self.put_back(rows, item)
            left = left[counts != 0]

    def _varints(self) -> npt.NDArray[np.uint64]:
        words = self._words[self.places]
        stops = ~words & _HIGH_BITS
        lowest = stops & (~stops + _ONE)
        below = lowest - _ONE
        packed = words & (lowest | below) & _LOW_BITS
        lengths = ((np.bitwise_count(below).astype(np.int64)) + 1) // 8
        values = _packed(packed)
        long = np.flatnonzero(stops == 0)
        if len(long):
            tails = self._words[self.places[long] + _WORD]
            ninth, tenth = tails & np.uint64(0xFF), (tails >> np.uint64(8)) & np.uint64(0xFF)
            has_tenth = ninth > 0x7F
            if bool((has_tenth & (tenth > 1)).any()):
                raise DamagedRecordsError("a number is too long")
            values[long] |= (ninth & np.uint64(0x7F)) << np.uint64(56)
            values[long] |= np.where(has_tenth, tenth, np.uint64(0)) << np.uint64(63)
            lengths[long] = np.where(has_tenth, _LONGEST_VARINT, _LONGEST_VARINT - 1)
        self.advance(lengths)
        return values


def _packed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Eight groups of seven bits, a group to a byte, put together."""
    for shift, high in ((1, 0x7F007F007F007F00), (2, 0x3FFF00003FFF0000), (4, 0x0FFFFFFF00000000)):
        upper = np.uint64(high)
        words = ((words & upper) >> np.uint64(shift)) | (words & ~upper)
    return words
