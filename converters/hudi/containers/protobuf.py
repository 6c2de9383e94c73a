"""The little of Protocol Buffers that HFiles need: messages of varints and byte strings."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["bytes_field", "fields", "read_varint", "sized_message", "uint_field", "unsigned_varint"]

_LONGEST_VARINT = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def unsigned_varint(value: int) -> bytes:
    """A number of seven bits a byte, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def uint_field(number: int, value: int) -> bytes:
    """A field with a number that is not negative."""
    return unsigned_varint(number << 3 | _VARINT) + unsigned_varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """A field with bytes, text or a message."""
    return unsigned_varint(number << 3 | _BYTES) + unsigned_varint(len(value)) + value


def read_varint(data: bytes | memoryview, place: int) -> tuple[int, int]:
    """The number at a place, and the place behind it.

    Raises:
        ValueError: It is truncated or too long.
    """
    value = 0
    for count in range(_LONGEST_VARINT):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, place
    raise ValueError("a number is truncated or too long")


def sized_message(data: bytes, place: int) -> bytes:
    """The message at a place, which its length stands before.

    Raises:
        ValueError: It is truncated.
    """
    length, start = read_varint(data, place)
    if start + length > len(data):
        raise ValueError("it is truncated")
    return data[start : start + length]


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value.

    Raises:
        ValueError: The message is truncated or has a kind of field that HFiles do not have.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = read_varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = read_varint(message, place)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, place = read_varint(message, place)
        elif kind in {_FIXED64, _FIXED32}:
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field is of an unknown kind")
        if place + length > end:
            raise ValueError("a field is truncated")
        yield tag >> 3, message[place : place + length]
        place += length
