"""Log files: whole blocks are read, torn ones are passed over as Hudi does."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.hudi.containers.log_block import CORRUPT, HFILE_DATA, LogBlock, data_block, read_log

ONE = data_block("20261121090000000", '{"type":"string"}', b"first content")
TWO = data_block("20261121090000001", '{"type":"long"}', b"second")


def contents(blocks: list[LogBlock]) -> list[bytes | None]:
    return [None if block.type == CORRUPT else block.content for block in blocks]


@given(
    written=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8")), st.binary()
        )
    )
)
@settings(deadline=None)
def test_blocks_are_read_back_in_order(written: list[tuple[str, str, bytes]]) -> None:
    blocks = read_log(b"".join(data_block(*each) for each in written), "It")
    assert [(block.instant, block.schema, block.content) for block in blocks] == written
    assert {block.type for block in blocks} <= {HFILE_DATA}


@given(length=st.integers(1, len(TWO) - 1))
@settings(deadline=None)
def test_a_torn_last_block_is_passed_over(length: int) -> None:
    assert contents(read_log(ONE + TWO[:length], "It")) == [b"first content", None]


@given(length=st.integers(6, len(ONE) - 1))
@settings(deadline=None)
def test_what_was_written_after_a_torn_block_is_read(length: int) -> None:
    assert contents(read_log(ONE[:length] + TWO, "It")) == [None, b"second"]


def test_an_empty_file_has_no_blocks() -> None:
    assert read_log(b"", "It") == []


@pytest.mark.parametrize("data", [b"PAR1PA", b"PAR1PAR1", b"\x00" * 100])
def test_what_is_no_log_file_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptTable, match="no log file"):
        read_log(data, "It")


def test_an_unknown_version_or_kind_is_refused() -> None:
    version = ONE[:14] + (2).to_bytes(4, "big") + ONE[18:]
    kind = ONE[:18] + (77).to_bytes(4, "big") + ONE[22:]
    for data in (version, kind):
        with pytest.raises(UnsupportedTableFeature, match=r"version 2|kind 77"):
            read_log(data, "It")


@given(place=st.integers(0, len(ONE + TWO) - 1), what=st.binary(min_size=1, max_size=8))
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_raises_nothing_but_our_errors(place: int, what: bytes) -> None:
    data = bytearray(ONE + TWO)
    data[place : place + len(what)] = what
    with contextlib.suppress(CorruptTable, UnsupportedTableFeature):
        assert len(read_log(bytes(data), "It")) <= 3
