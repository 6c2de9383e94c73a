"""Paths in a log name files: decoded once, relative or absolute."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.delta.log.paths import locations
from converters.errors import CorruptTable
from tests.delta.logs import BASE, Table, add, remove


@pytest.mark.parametrize(
    "path,location",
    [
        ("a.parquet", "s3://b/t/a.parquet"),
        ("p=x/a.parquet", "s3://b/t/p=x/a.parquet"),
        ("p=a%20b/a.parquet", "s3://b/t/p=a b/a.parquet"),
        ("p=a%2520b/a.parquet", "s3://b/t/p=a%20b/a.parquet"),
        ("p=a%252520b/a.parquet", "s3://b/t/p=a%2520b/a.parquet"),
        ("p=12%253A30/a%20%25.parquet", "s3://b/t/p=12%3A30/a %.parquet"),
        ("p=%C3%BC/a.parquet", "s3://b/t/p=ü/a.parquet"),
        ("p=ü/%E6%97%A5.parquet", "s3://b/t/p=ü/日.parquet"),
        ("a+b.parquet", "s3://b/t/a+b.parquet"),
        ("p=50%/a%zz.parquet", "s3://b/t/p=50%/a%zz.parquet"),
        ("p=12:30/a.parquet", "s3://b/t/p=12:30/a.parquet"),
        ("%0A/a.parquet", "s3://b/t/\n/a.parquet"),
        ("/data/a%20b.parquet", "file:///data/a b.parquet"),
        ("file:/data/a.parquet", "file:///data/a.parquet"),
        ("file:///data/a%2520b.parquet", "file:///data/a%20b.parquet"),
        ("s3://other/t/a.parquet", "s3://other/t/a.parquet"),
        ("s3a://other/t/p=%C3%BC/a.parquet", "s3://other/t/p=ü/a.parquet"),
    ],
)
def test_locations(path: str, location: str) -> None:
    assert locations(pa.array([path]), "s3://b/t").to_pylist() == [location]
    among = locations(pa.array(["x/y", path, "z"]), "s3://b/t").to_pylist()
    assert among == ["s3://b/t/x/y", location, "s3://b/t/z"]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_name_comes_back(names: list[str]) -> None:
    encoded = [quote(name) for name in names]
    decoded = locations(pa.array(encoded), "file:///t").to_pylist()
    assert decoded == [f"file://{name}" if name.startswith("/") else f"file:///t/{name}" for name in names] or any(
        "//" in name or name.startswith("/") for name in names
    )


@pytest.mark.parametrize("path", ["", "p=%FF/a.parquet", "a%00.parquet", "%C3.parquet"])
def test_paths_that_name_nothing(path: str) -> None:
    with pytest.raises(CorruptTable):
        locations(pa.array(["a", path]), "file:///t")


def test_a_remove_may_be_encoded_otherwise(tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    table.commit(0, *BASE, add("p=a%20b/x"), add(f"{table.location}/y"), add("z:z"), add(f"{table.directory}/v"))
    table.commit(1, remove("p=a b/x"), remove("y"), remove("z%3Az"), remove(f"file:{table.directory}/v"), add("w"))
    assert table.paths() == ["w"]


def test_a_shallow_clone(tmp_path: Path) -> None:
    table = Table(tmp_path / "t")
    table.commit(0, *BASE, add(f"file:{tmp_path}/origin/p=a%2520b/x"), add("own"))
    assert table.read()[1]["path"].to_pylist() == [f"file://{tmp_path}/origin/p=a%20b/x", f"{table.location}/own"]
