"""Base85 as ZeroMQ has it (RFC 32/Z85), which Delta writes deletion vectors in: Python's own with other digits."""

from __future__ import annotations

import base64

__all__ = ["decoded", "encoded"]

_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_PYTHON = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_TO_PYTHON = bytes.maketrans(_Z85, _PYTHON)
_FROM_PYTHON = bytes.maketrans(_PYTHON, _Z85)


def encoded(data: bytes) -> str:
    """The text for some bytes; as many as make groups of four."""
    return base64.b85encode(data).translate(_FROM_PYTHON).decode()


def decoded(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        ValueError: It has other characters, or a group that stands for no bytes.
    """
    digits = text.encode()
    if digits.translate(None, _Z85):
        msg = "not Z85"
        raise ValueError(msg)
    return base64.b85decode(digits.translate(_TO_PYTHON))
