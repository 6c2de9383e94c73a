"""Looking entries up by the location of their files finds what reading all entries would."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.delta.log.entry_search import Wanted
from converters.delta.log.paths import locations
from converters.delta.writing.base import Base, read_base
from converters.errors import CorruptTable
from converters.storage import ObjectStorage
from tests.delta.logs import BASE, Table, add, remove

NAMES = st.text(st.sampled_from("aZ9.-_~ é%:="), min_size=1, max_size=5)


@st.composite
def _spelled(draw: st.DrawFn) -> tuple[str, str]:
    """A location, and one of the ways to write its path in the log of the table ``file:///t``."""
    name = draw(NAMES) + draw(st.sampled_from(["", ".parquet", "-0123456789abcdef-c000.snappy.parquet"]))
    folder = draw(st.sampled_from(["", "p=1/", "p=a b/"]))
    outside = draw(st.booleans())
    location = f"file:///{'x' if outside else 't'}/{folder}{name}"
    encoded = draw(st.sets(st.sampled_from("aZ9.-_~ é:=/")))
    path = "".join(_encoded(each) if each in encoded | {"%"} else each for each in folder + name)
    lead = "file:///x/" if outside else draw(st.sampled_from(["", "/t/", "file:///t/", "file:/t/"]))
    return location, lead + path


def _encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


@given(st.lists(_spelled()), st.lists(_spelled()))
def test_a_path_is_known_by_what_it_means(wanted: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    meant = pa.array(sorted({location for location, _ in wanted}), pa.string())
    paths = pa.array([*(path for _, path in wanted), None, *(path for _, path in others)], pa.string())
    looked_for = Wanted(meant, "file:///t")
    for start in (0, 1):
        part = paths.slice(start)
        truth = [
            path is not None and locations(pa.array([path]), "file:///t")[0].as_py() in meant.to_pylist()
            for path in part.to_pylist()
        ]
        assert looked_for.mask(part).tolist() == truth


def _base(table: Table) -> Base:
    base = read_base(ObjectStorage(), table.location)
    assert base is not None
    return base


def test_the_newest_action_decides(tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    table.commit(0, *BASE, add("a"), add("b"), add("c"), add("d"))
    table.commit(1, remove("b"), remove("c"), add("e"))
    table.commit(2, add("c"), {"txn": {"appId": '"add"', "version": 1}})
    places = pa.array([f"{table.location}/{name}" for name in "abcdefg"])
    found = _base(table).search(places)
    assert sorted(found["log_path"].to_pylist()) == ["a", "c", "d", "e"]
    assert found["path"].to_pylist() == [f"{table.location}/{name}" for name in found["log_path"].to_pylist()]
    live = _base(table).live()
    assert live.drop_columns(["rows"]).sort_by("path") == found.sort_by("path")


@pytest.mark.parametrize(
    "line",
    [b'{"add":{"path":"a","size":"many"}}', b'{"add":{"path":"\xff"}}', b'{"add":{"size":1}}', b'{"add":{"path":'],
)
def test_a_line_that_is_not_understood(line: bytes, tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    table.commit(0, *BASE, add("a"))
    (tmp_path / "t" / "_delta_log" / f"{1:020d}.json").write_bytes(line + b"\n")
    with pytest.raises(CorruptTable, match="not understood"):
        _base(table).search(pa.array([f"{table.location}/a"]))
