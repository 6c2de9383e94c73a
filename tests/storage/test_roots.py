"""Nothing outside the allowed roots is read or written, whatever a path looks like."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from converters.errors import PathNotAllowed
from converters.storage import ObjectStorage, Roots


def test_a_root_grants_itself_and_what_is_below_it_but_no_sibling(tmp_path: Path) -> None:
    roots = Roots([str(tmp_path / "a"), "s3://bucket/tables"])
    roots.check(f"file://{tmp_path}/a")
    roots.check(f"file://{tmp_path}/a/b/c")
    roots.check("s3://bucket/tables/t")
    for outside in (f"file://{tmp_path}/ab", f"file://{tmp_path}", "s3://bucket/tables2/t", "s3://other/tables/t"):
        with pytest.raises(PathNotAllowed):
            roots.check(outside)


def test_a_symbolic_link_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    with pytest.raises(PathNotAllowed):
        Roots([str(tmp_path / "in")]).check(f"file://{tmp_path}/in/link/t")
    storage = ObjectStorage(roots=Roots([str(tmp_path / "in")]))
    (tmp_path / "out" / "secret").write_text("x")
    with pytest.raises(PathNotAllowed):
        storage.get(f"file://{tmp_path}/in/link/secret")
    with pytest.raises(PathNotAllowed):
        storage.put_if_absent(f"file://{tmp_path}/in/link/new", b"x")
    assert not (tmp_path / "out" / "new").exists()


def test_a_root_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    roots = Roots([str(tmp_path / "alias")])
    roots.check(f"file://{tmp_path}/alias/t")
    roots.check(f"file://{tmp_path}/real/t")


@pytest.mark.parametrize("bad", ["/elsewhere/f.parquet", "{root}/../x.parquet", "{root}/a/../../x", "{root}2/f"])
def test_a_column_of_data_files_is_checked(tmp_path: Path, bad: str) -> None:
    root = str(tmp_path / "t")
    roots = Roots([root])
    roots.check_all(pa.array([f"file://{root}/p=1/a.parquet", f"file://{root}/b.parquet"]))
    with pytest.raises(PathNotAllowed) as caught:
        roots.check_all(pa.array([f"file://{root}/a.parquet", "file://" + bad.format(root=root)]))
    assert bad.format(root=root) in str(caught.value)


def test_data_files_behind_a_link_are_found_out(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "t" / "p=1").symlink_to(tmp_path / "out")
    with pytest.raises(PathNotAllowed):
        Roots([str(tmp_path / "t")]).check_all(pa.array([f"file://{tmp_path}/t/p=1/a.parquet"]))


def test_everywhere_allows_all() -> None:
    Roots.everywhere().check("file:///anything")
    Roots.everywhere().check_all(pa.array(["s3://b/k"]))
