"""Entries of one record of ``files``, a piece of the record at a time, so that one of a million names needs no room.

An entry is a name's length, the name, the file's size and whether it is deleted.  Names that another system's files
have end with ``_hudiext``, and all ends of names found by that are tried together: when every entry begins where the
one before it ends, they were all found.  Where they are not, entries are walked one after another.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from converters.avro.byte_slices import copied_slices
from converters.avro.columns import numbers_of
from converters.avro.lockstep import Cursor, DamagedRecordsError
from converters.avro.shapes import Shape
from converters.hudi.containers.hfile_entries import PADDING
from converters.hudi.containers.protobuf import read_varint
from converters.hudi.metadata_table.files import map_field
from converters.hudi.reading.file_names import EXTERNAL

__all__ = ["ENTRIES", "entries_in"]

ENTRIES = pa.schema([("name", pa.string()), ("size", pa.int64()), ("deleted", pa.bool_())])
"""What ``entries_in`` yields."""

_END = np.frombuffer(f"_{EXTERNAL}".encode(), np.uint8)
_UNDERSCORE = ord("_")
_SUFFIX = 26
"""Bytes of ``_<instant>_hudiext``, the instant having seventeen digits."""
_DIGIT_BITS, _DIGITS = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x3030303030303030)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_WORD = 8
_PAD = bytes(PADDING)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Found = tuple[IntArray, IntArray, IntArray, BoolArray]
"""Where names begin, their lengths, the files' sizes, and whether the entries are deleted."""


def entries_in(pieces: Iterator[bytes], shape: Shape, names: pa.Array, where: str) -> Iterator[pa.Table]:
    """Find entries in a record.

    Args:
        pieces: The record's bytes.
        shape: Its schema's.
        names: Of files, as they are called in their directories; string.
        where: What it is, for messages.

    Yields:
        ``ENTRIES`` of those files, and of others that may stay.

    Raises:
        DamagedRecordsError: The bytes are no such record.
        UnsupportedTableFeature: The schema is not known.
    """
    rest = next(pieces, b"")
    count, start = _head(rest, shape, where)
    rest = rest[start:]
    wanted = _Wanted(names)
    entries = count
    while count:
        data = rest + _PAD
        found, end = _entries(data, len(rest), count)
        count -= len(found[0])
        if len(found[0]):
            yield _table(data, found, wanted.may_be(data, found))
        more = next(pieces, b"") if count else b""
        if count and not more and not end:
            raise DamagedRecordsError("a map has fewer entries than it says")
        rest = rest[end:] + more
    rest += b"".join(pieces)
    if rest.strip(b"\0") or (entries and not rest):
        raise DamagedRecordsError("a map is longer than it says")


def _head(data: bytes, shape: Shape, where: str) -> tuple[int, int]:
    """How many entries there are, and where the first begins."""
    cursor = Cursor(data + _PAD, np.zeros(1, np.int64), np.array([len(data)], np.int64))
    place, tag = map_field(shape, where)
    for member in shape.members[:place]:
        cursor.skip(member)
    if int(cursor.longs()[0]) != tag:
        return 0, len(data)
    count = int(cursor.longs()[0])
    if count < 0:
        cursor.longs()  # the block's length in bytes
    return abs(count), int(cursor.places[0])


def _entries(data: bytes, size: int, most: int) -> tuple[Found, int]:
    """The whole entries at the beginning of some bytes, and where they end."""
    try:
        found, end = _together(data, size, most)
    except DamagedRecordsError:
        return _one_by_one(data, size, most)
    return (found, end) if len(found[0]) else _one_by_one(data, size, most)


def _together(data: bytes, size: int, most: int) -> tuple[Found, int]:
    ends = _ends_of_names(data, size)[:most]
    # The size and the flag of the last entry may not be there as a whole.
    ends = ends[ends + 11 <= size] if len(ends) < most else ends
    limits = np.full(len(ends), size, np.int64)
    after = Cursor(data, ends, limits)
    sizes, deleted = after.longs(), after.booleans()
    starts = np.concatenate((np.zeros(1, np.int64), after.places[:-1]))[: len(ends)]
    names, lengths = Cursor(data, starts, limits).slices()
    if bool((names + lengths != ends).any()):
        raise DamagedRecordsError("entries do not follow each other")
    return (names, lengths, sizes, deleted), int(after.places[-1]) if len(ends) else 0


def _ends_of_names(data: bytes, size: int) -> IntArray:
    content: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(content[: max(size - len(_END) + 1, 0)] == _UNDERSCORE)
    for number in range(1, len(_END)):
        places = places[content[places + number] == _END[number]]
    return places + len(_END)


def _one_by_one(data: bytes, size: int, most: int) -> tuple[Found, int]:
    view = memoryview(data)[:size]
    found: list[tuple[int, int, int, bool]] = []
    place = 0
    try:
        while len(found) < most:
            length, start = _long(view, place)
            if length < 0:
                raise DamagedRecordsError("a length is negative")
            file_size, end = _long(view, start + length)
            found.append((start, length, file_size, view[end] != 0))
            place = end + 1
    except (IndexError, ValueError) as error:
        if isinstance(error, DamagedRecordsError):
            raise
        # What follows is not whole yet.
    columns = np.array(found, np.int64).reshape(-1, 4).T
    return (columns[0], columns[1], columns[2], columns[3].astype(np.bool_)), place


def _long(data: memoryview, place: int) -> tuple[int, int]:
    value, place = read_varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def _table(data: bytes, found: Found, mask: BoolArray) -> pa.Table:
    names, lengths, sizes, deleted = found
    texts = copied_slices(data, names[mask], lengths[mask]).cast(pa.binary()).cast(pa.string())
    return pa.table([texts, pa.array(sizes[mask]), pa.array(deleted[mask])], schema=ENTRIES)


class _Wanted:
    """Names, by their lengths and digests."""

    def __init__(self, names: pa.Array) -> None:
        texts = names.cast(pa.binary())
        lengths = numbers_of(pc.binary_length(texts)).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        words = _words(b"".join([*texts.to_pylist(), _PAD]))
        self._digests = {
            length: np.unique(_digests(words, starts[lengths == length], length))
            for length in np.unique(lengths).tolist()
        }

    def may_be(self, data: bytes, found: Found) -> BoolArray:
        """Which entries may be of these names: all that are, and few others."""
        starts, lengths, _, _ = found
        words = _words(data)
        ends = starts + lengths
        content: npt.NDArray[np.uint8] = np.frombuffer(data, np.uint8)
        mask = lengths <= _SUFFIX
        digits = ends - _SUFFIX + 1
        for place in (digits, digits + 9):
            mask |= (words[np.maximum(place, 0)] & _DIGIT_BITS) != _DIGITS
        mask |= content[np.maximum(ends - _SUFFIX, 0)] != _UNDERSCORE
        for length, digests in self._digests.items():
            rows = np.flatnonzero(lengths == length + _SUFFIX)
            mask[rows] |= np.isin(_digests(words, starts[rows], length), digests)
        return mask


def _words(data: bytes) -> npt.NDArray[np.uint64]:
    """Eight bytes from any place on, as one number."""
    return np.ndarray((len(data) - _WORD + 1,), "<u8", data, strides=(1,))


def _digests(words: npt.NDArray[np.uint64], starts: IntArray, length: int) -> npt.NDArray[np.uint64]:
    """A number for each of some texts of one length."""
    digests = np.zeros(len(starts), np.uint64)
    whole = length // _WORD
    for number in range(whole):
        digests = (digests ^ words[starts + number * _WORD]) * _MIX
    if left := length - whole * _WORD:
        last = words[starts + whole * _WORD] & np.uint64((1 << 8 * left) - 1)
        digests = (digests ^ last) * _MIX
    return digests
