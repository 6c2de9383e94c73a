"""Many sync the same table at once while it is written to: each version is committed once, and none is lost."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from tests.conversion.outcomes import others
from tests.corpus import Corpus, case
from tests.histories.past import history
from tests.histories.staged import Staged
from tests.readers import Format, canonical_rows, read
from tests.s3 import S3Server
from tests.sync.child import start
from tests.tables import append_iceberg, catalog_table, read_rows, sample, write_delta, write_iceberg

SYNCS = 4
COMMITS = 8


def _reports(processes: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    try:
        for process in processes:
            out, error = process.communicate(timeout=300)
            assert process.returncode == 0, error
            found += json.loads(out)
    finally:
        for process in processes:
            process.kill()
    return found


@pytest.mark.parametrize(
    "name,target",
    [
        (name, target)
        for name in ("delta/restore", "iceberg/overwrites", "hudi/overwrites")
        for target in others(case(name).format)
    ],
)
def test_who_catches_up_with_others(name: str, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    life = Staged(case(name), target, corpus, tmp_path)
    assert life.sync().error is None
    life.go_to_the_end()
    said = {"source": str(life.table), "source_format": life.case.format, "target": target}
    reports = _reports([start(**said) for _ in range(SYNCS)])
    _assert_that_each_won_or_followed(reports)
    found = [past.source_version for past in life.history()]
    assert len(found) == len(set(found))
    # The first was synced before.
    assert sum(report["commits"] for report in reports) >= len(found) - 1
    assert life.rows() == life.contents.sha256
    for past in life.history():
        assert life.rows(version=past.version) in life.wanted(past.source_version)


def _assert_that_each_won_or_followed(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        assert report["error"] is None or report["error"][0] == "CommitConflict", report


def _change_delta(table: Path, number: int) -> None:
    if number % 3 == 2:
        DeltaTable(table).delete(f"id = {100 + number - 1}")
    else:
        write_deltalake(table, sample(100 + number, 1), mode="append")


def _change_iceberg(table: Path, number: int) -> None:
    if number % 3 == 2:
        catalog_table(table).delete(f"id = {100 + number - 1}")
    else:
        append_iceberg(table, 100 + number, 1)


def _delta_versions(table: Path) -> list[str]:
    return [str(version) for version in range(DeltaTable(table).version() + 1)]


def _iceberg_versions(table: Path) -> list[str]:
    return [str(each.snapshot_id) for each in catalog_table(table).metadata.snapshots]


@dataclasses.dataclass(frozen=True)
class Writer:
    """Somebody who writes to a table: makes it, changes it, and knows its versions."""

    write: Callable[[Path], Path]
    change: Callable[[Path, int], None]
    versions: Callable[[Path], list[str]]


WRITERS: Mapping[Format, Writer] = {
    "delta": Writer(lambda table: write_delta(table, partitioned=False), _change_delta, _delta_versions),
    "iceberg": Writer(write_iceberg, _change_iceberg, _iceberg_versions),
}


@pytest.mark.parametrize("source,target", [(source, target) for source in WRITERS for target in others(source)])
def test_a_table_that_is_written_to(source: Format, target: Format, tmp_path: Path) -> None:
    writer = WRITERS[source]
    table = writer.write(tmp_path / "t")
    end = tmp_path / "end"
    said = {"source": str(table), "source_format": source, "target": target, "until": str(end)}
    processes = [start(**said) for _ in range(SYNCS)]
    for number in range(COMMITS):
        writer.change(table, number)
    end.touch()
    reports = _reports(processes)
    _assert_that_each_won_or_followed(reports)
    place = table / "data" if (source, target) == ("iceberg", "hudi") else table
    past = history(target, place)
    synced = [each.source_version for each in past]
    known = writer.versions(table)
    # Each once, in the source's order, and none left out from the first one on.
    assert synced == known[known.index(synced[0]) :]
    assert canonical_rows(read(target, place, "spark" if target == "hudi" else "duckdb")) == read_rows(source, table)
    if target != "hudi":
        for each in past:
            wanted = read(source, table, "duckdb", version=int(each.source_version))
            assert canonical_rows(read(target, place, "duckdb", version=each.version)) == canonical_rows(wanted)


@pytest.mark.parametrize("target", others("delta"))
def test_a_table_on_s3_that_is_written_to(target: Format, s3: S3Server, s3_folder: str, tmp_path: Path) -> None:
    location = f"{s3_folder}/t"
    options = {f"aws_{key}": value for key, value in s3.storage_options.items()}
    options["aws_endpoint_url"] = options.pop("aws_endpoint")
    options |= {"aws_allow_http": "true", "aws_conditional_put": "etag"}
    write_deltalake(location, sample(0, 20), storage_options=options)
    end = tmp_path / "end"
    said = {"source": location, "source_format": "delta", "target": target, "until": str(end)}
    processes = [start(**said, s3=s3.storage_options) for _ in range(SYNCS)]
    for number in range(COMMITS):
        write_deltalake(location, sample(20 + number, 1), mode="append", storage_options=options)
    end.touch()
    _assert_that_each_won_or_followed(_reports(processes))
    synced = [int(past.source_version) for past in history(target, location, s3)]
    assert synced == list(range(synced[0], COMMITS + 1))
    expected = canonical_rows(sample(0, 20 + COMMITS))
    if target == "iceberg":
        assert canonical_rows(read("iceberg", location, "duckdb", store=s3)) == expected
    else:
        s3.download(location, tmp_path / "t")
        assert canonical_rows(read("hudi", tmp_path / "t", "spark")) == expected
