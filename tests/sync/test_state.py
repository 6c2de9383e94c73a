"""The state in a target is Apache XTable's, byte for byte, so that either tool continues the other's table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import CorruptTable
from converters.sync.state import (
    SOURCE_KEY,
    XTABLE_KEY,
    SourceMark,
    SyncState,
    format_instant,
    parse_instant,
)

WRITTEN_BY_XTABLE = (
    '{"lastInstantSynced":"2026-11-21T08:48:19.329Z","instantsToConsiderForNextSync":[],"version":0,'
    '"sourceTableFormat":"DELTA","sourceIdentifier":"3"}'
)


def test_what_xtable_writes_is_what_we_write() -> None:
    state = SyncState.from_properties({XTABLE_KEY: WRITTEN_BY_XTABLE})
    assert state is not None
    assert (state.source_format, state.source_version, state.mark) == ("DELTA", "3", None)
    assert state.properties() == {XTABLE_KEY: WRITTEN_BY_XTABLE}


def test_states_of_old_xtable_versions_are_read() -> None:
    state = SyncState.from_properties({XTABLE_KEY: '{"lastInstantSynced":"2024-01-02T03:04:05Z","version":0}'})
    assert state is not None
    assert (state.source_format, state.source_version, state.pending_instants) == (None, None, ())


def test_our_own_memory_stands_under_another_key() -> None:
    state = SyncState(
        last_instant=1, source_format="ICEBERG", source_version="0", mark=SourceMark(table_id="t", fingerprint="f")
    )
    properties = state.properties()
    assert set(properties) == {XTABLE_KEY, SOURCE_KEY}
    assert "fingerprint" not in properties[XTABLE_KEY]
    assert SyncState.from_properties(properties) == state


def test_no_state_is_none() -> None:
    assert SyncState.from_properties({"other": "x"}) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"lastInstantSynced":"yesterday"}', WRITTEN_BY_XTABLE.replace(":0,", ":1,")]
)
def test_a_state_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(CorruptTable, match=XTABLE_KEY):
        SyncState.from_properties({XTABLE_KEY: text})


@pytest.mark.parametrize(
    "millis,text",
    [
        (0, "1970-01-01T00:00:00Z"),
        (1763714899329, "2025-11-21T08:48:19.329Z"),
        (1763714899020, "2025-11-21T08:48:19.020Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_instants_look_as_java_prints_them(millis: int, text: str) -> None:
    assert format_instant(millis) == text
    assert parse_instant(text) == millis


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_instants_survive_a_round_trip(millis: int) -> None:
    assert parse_instant(format_instant(millis)) == millis
