"""Formats are plug-ins: what is found without a search is what the installed packages say."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from converters.errors import UnknownFormat
from converters.registry import SOURCE_GROUP, TARGET_GROUP, source_class, source_names, target_class, target_names


@pytest.mark.parametrize("name", ["delta", "HUDI", " Iceberg "])
def test_built_in_formats_are_what_the_entry_points_name(name: str) -> None:
    plain = name.strip().lower()
    assert source_class(name) is entry_points(group=SOURCE_GROUP)[plain].load()
    assert target_class(name) is entry_points(group=TARGET_GROUP)[plain].load()
    assert plain.upper() in source_names()
    assert plain.upper() in target_names()


def test_an_unknown_format_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UnknownFormat, match="DELTA, HUDI, ICEBERG"):
        source_class("paimon")
