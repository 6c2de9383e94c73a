"""One object has one location, and a location says nothing that a path does not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from converters.errors import InvalidRequest
from converters.storage.location import canonical, canonical_all, is_absolute, join, local_path, relative_to, split


@pytest.mark.parametrize(
    "given,expected",
    [
        ("/a/b", "file:///a/b"),
        ("file:/a/b", "file:///a/b"),
        ("file:///a/b/", "file:///a/b"),
        ("FILE:///a//b", "file:///a/b"),
        ("file://localhost/a", "file:///a"),
        ("/a/b c%20d", "file:///a/b c%20d"),
        ("/", "file:///"),
        ("s3://bucket/k/", "s3://bucket/k"),
        ("s3a://bucket/k", "s3://bucket/k"),
        ("s3n://bucket", "s3://bucket"),
        ("memory:///t", "memory:///t"),
        ("/p=1:2/x", "file:///p=1:2/x"),
    ],
)
def test_equal_places_have_one_spelling(given: str, expected: str) -> None:
    assert canonical(given) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a/b",
        "./a",
        "/a/../b",
        "s3://b/../c",
        "/a/./b",
        "file://host/a",
        "http://h/a",
        "s3:///k",
        "/a\0b",
        "gs://b/k",
    ],
)
def test_what_is_no_place_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest):
        canonical(given)


def test_people_may_use_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical("x/../t", relative_to_cwd=True) == f"file://{tmp_path}/t"


def test_a_column_of_paths_is_spelled_the_same_way() -> None:
    paths = ["/a b/c", "file:/a", "file:///a%20b", "s3a://b/k", "s3://b/k", "file://a/b"]
    assert canonical_all(pa.array(paths)).to_pylist() == [
        "file:///a b/c",
        "file:///a",
        "file:///a%20b",
        "s3://b/k",
        "s3://b/k",
        "file:///a/b",
    ]


def test_parts() -> None:
    assert split("s3://bucket/a/b") == ("s3", "bucket", "/a/b")
    assert local_path("file:///a b") == "/a b"
    assert local_path("s3://bucket/a") is None
    assert join("file:///a/", "b/c") == "file:///a/b/c"
    assert relative_to("file:///a/b/c", "file:///a") == "b/c"
    assert relative_to("file:///ab/c", "file:///a") is None
    assert is_absolute("s3a://b/k")
    assert is_absolute("/x")
    assert not is_absolute("p=a/part-0.parquet")
