"""Records are found by their keys, also where digests of keys are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.hudi.metadata_table import key_lookup
from converters.hudi.metadata_table.key_lookup import KeyLookup

WIDTH = 5
KEYS = st.binary(min_size=WIDTH, max_size=WIDTH)


def _rows(keys: list[bytes]) -> key_lookup.ByteArray:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(-1, WIDTH)


def _check(present: list[bytes], wanted: list[bytes]) -> None:
    expected = [present.index(key) if key in present else -1 for key in wanted]
    assert KeyLookup(_rows(present)).places(_rows(wanted)).tolist() == expected


@given(st.lists(KEYS, unique=True), st.lists(KEYS))
def test_keys_are_found(present: list[bytes], others: list[bytes]) -> None:
    _check(present, [*others, *present[::-1]])


def test_keys_with_one_digest_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_lookup, "_digests", lambda keys: keys[:, 0].astype(np.uint64))
    present = [bytes([first, second, 0, 0, 0]) for first in (7, 3) for second in range(5)]
    _check(present, [*present, b"\x07\x09\0\0\0", b"\x08\0\0\0\0", b"\x03\x04\0\0\0"])
