"""The times of instants, as text and as milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.errors import CorruptTable
from converters.hudi.timeline.instants import instant_millis, instant_time, next_instant

_YEAR_1000, _YEAR_9999 = -30_610_224_000_000, 253_402_300_799_999
_ANY_TIME = st.integers(_YEAR_1000, _YEAR_9999)


@given(_ANY_TIME)
def test_a_time_comes_back_as_it_went(millis: int) -> None:
    text = instant_time(millis)
    assert len(text) == 17
    assert instant_millis(text) == millis


@given(_ANY_TIME, _ANY_TIME)
def test_text_is_ordered_as_time_is(one: int, other: int) -> None:
    assert (instant_time(one) < instant_time(other)) == (one < other)


@given(st.integers(0, _YEAR_9999 - 1), st.integers(0, _YEAR_9999), st.sampled_from(["", "001", "999"]))
def test_the_next_instant_is_the_wanted_one_or_just_after_what_is_there(last: int, wanted: int, suffix: str) -> None:
    after = instant_time(last) + suffix
    found = next_instant(after, wanted)
    assert found > after
    assert instant_millis(found) == (wanted if instant_time(wanted) > after else last + 1)


def test_without_any_instant_the_wanted_time_is_taken() -> None:
    assert next_instant("", 1_709_208_000_123) == "20240229120000123"


def test_a_time_in_seconds_is_the_last_millisecond_of_its_second() -> None:
    assert instant_millis("20240229120000") == 1_709_208_000_999
    assert next_instant("20240229120000", 0) == "20240229120001000"


def test_the_first_instants_of_metadata_tables_are_no_dates() -> None:
    assert instant_millis("00000000000000010") == 0
    assert next_instant("00000000000000010", 1_709_208_000_123) == "20240229120000123"


def test_a_suffix_does_not_change_the_time() -> None:
    assert instant_millis("20240229120000123001") == 1_709_208_000_123


@pytest.mark.parametrize(
    "text", ["", "2024", "20240230120000123", "2024022912000012x", "\uff120240229120000123", "1" * 16]
)
def test_what_is_no_date_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptTable, match="no date and time"):
        instant_millis(text)


@pytest.mark.parametrize("millis", [10**18, -(10**18)])
def test_a_year_of_more_than_four_digits_is_an_error(millis: int) -> None:
    with pytest.raises(ValueError, match="four digits"):
        instant_time(millis)
