"""Nothing outside the roots is read or written, however the path is dressed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.service.server import Server
from tests.tables import write_delta, write_iceberg


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A table that is not under the root."""
    return write_delta(tmp_path / "outside")


def _refused(server: Server, table: Path | str, source_format: str = "DELTA", **more: object) -> None:
    target = "DELTA" if source_format == "ICEBERG" else "ICEBERG"
    answer = server.convert(source_format, table, target, **more)
    assert (answer.status_code, answer.json()["type"]) == (403, "PathNotAllowed"), answer.text


def test_a_table_outside(server: Server, outside: Path) -> None:
    _refused(server, outside)
    _refused(server, f"file://{outside}")
    assert not (outside / "metadata").exists()


def test_a_directory_whose_name_begins_like_the_root(server: Server, service_root: Path) -> None:
    sibling = service_root.with_name(service_root.name + "-more")
    write_delta(sibling)
    _refused(server, sibling)


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/passwd", "/proc/self", "s3://bucket/t", "memory:///t"])
def test_other_places(server: Server, path: str) -> None:
    _refused(server, path)


def test_dots(server: Server, service_root: Path, outside: Path) -> None:
    answer = server.convert("DELTA", f"{service_root}/../{outside.parent.name}/outside", "ICEBERG")
    assert answer.status_code == 400
    encoded = server.convert("DELTA", f"file://{service_root}/%2e%2e/{outside.parent.name}/outside", "ICEBERG")
    assert encoded.status_code == 404
    assert not (outside / "metadata").exists()


def test_a_link_to_a_table_outside(server: Server, place: Path, outside: Path) -> None:
    place.symlink_to(outside)
    _refused(server, place)
    assert not (outside / "metadata").exists()


def test_a_link_within_the_root_is_followed(server: Server, place: Path, service_root: Path) -> None:
    write_delta(place)
    link = service_root / f"{place.name}-link"
    link.symlink_to(place)
    assert server.convert("DELTA", link, "ICEBERG").status_code == 200


def test_a_link_for_a_log_outside(server: Server, place: Path, outside: Path) -> None:
    place.mkdir()
    (place / "_delta_log").symlink_to(outside / "_delta_log")
    _refused(server, place)


def test_a_link_for_data_outside(server: Server, place: Path, outside: Path) -> None:
    write_delta(place)
    for directory in place.glob("region=*"):
        shutil.rmtree(directory)
        directory.symlink_to(outside / directory.name)
    _refused(server, place)
    assert not (place / "metadata").exists()


def test_targets_outside(server: Server, place: Path, tmp_path: Path) -> None:
    write_delta(place)
    _refused(server, place, source_data_path=str(tmp_path / "target"))
    assert not (tmp_path / "target").exists()


def test_a_link_where_the_targets_metadata_goes(server: Server, place: Path, tmp_path: Path) -> None:
    write_delta(place)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place / "metadata").symlink_to(elsewhere)
    _refused(server, place)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_an_absolute_path_in_a_delta_log(server: Server, place: Path, outside: Path, scheme: str) -> None:
    write_delta(place, partitioned=False)
    commit = place / "_delta_log" / f"{1:020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["path"] = f"{scheme}{outside}/secret.parquet"
    commit.write_text("\n".join(map(json.dumps, actions)))
    _refused(server, place)
    assert not (place / "metadata").exists()


def test_a_path_with_dots_in_a_delta_log(server: Server, place: Path, outside: Path) -> None:
    write_delta(place, partitioned=False)
    commit = place / "_delta_log" / f"{1:020}.json"
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["path"] = f"../../{outside.parent.name}/outside/secret.parquet"
    commit.write_text("\n".join(map(json.dumps, actions)))
    answer = server.convert("DELTA", place, "ICEBERG")
    assert answer.status_code in {403, 422}
    assert not (place / "metadata").exists()


def test_absolute_paths_in_iceberg_metadata(server: Server, place: Path, tmp_path: Path) -> None:
    elsewhere = write_iceberg(tmp_path / "elsewhere")
    place.mkdir()
    shutil.copytree(elsewhere / "metadata", place / "metadata")
    _refused(server, place, "ICEBERG")
    assert not (place / "_delta_log").exists()
