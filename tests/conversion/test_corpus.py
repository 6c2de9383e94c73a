"""Every real table converts to each other format with the same rows, or is refused by name and left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

import converters
from tests.conversion.outcomes import PAGE, convert_case, page, pairs
from tests.corpus import Case, Corpus
from tests.readers import Format, Reader, assert_same_rows, canonical_rows, digest, read
from tests.readers.hudi import HudiError

# What cannot be carried in this release, and the words by which the refusal names it.
REFUSED: Mapping[Format, Mapping[str, str]] = {
    "delta": {
        "hudi/mor_v6": "log files",
        "hudi/mor_v9": "log files",
        "hudi/sql_table": "log files",
        "iceberg/avro_files": "format AVRO",
        "iceberg/equality_deletes": "equality deletes",
        "iceberg/evolve": "'full_name'",
        "iceberg/mor_dv_v3": "deletion vectors",
        "iceberg/mor_posdel_v2": "position deletes",
        "iceberg/orc_files": "format ORC",
        "iceberg/py_types": "'time'",
        "iceberg/py_uuid": "'uuid'",
        "iceberg/uuid_fixed_via_java": "'uuid'",
        "iceberg/v3_defaults": "initial default",
    },
    "iceberg": {
        "delta/dml_dv": "deletion vector",
        "hudi/mor_v6": "log files",
        "hudi/mor_v9": "log files",
        "hudi/nested": "two-level form",
        "hudi/sql_table": "log files",
    },
    "hudi": {
        "delta/colmap_name": "'sL' is no partition",
        "delta/colmap_upgrade": "'lY' is no partition",
        "delta/dml_dv": "deletion vector",
        "delta/part_binary": "'b' of the type binary",
        "delta/rs_partitioned": "is no partition",
        "delta/types_all": "'ntz' has type 'timestamp'",
        "iceberg/add_files_no_ids": "lies outside",
        "iceberg/avro_files": "format AVRO",
        "iceberg/equality_deletes": "equality deletes",
        "iceberg/evolve": "'full_name'",
        "iceberg/mor_dv_v3": "deletion vectors",
        "iceberg/mor_posdel_v2": "position deletes",
        "iceberg/orc_files": "format ORC",
        "iceberg/part_binary": "'b' of the type binary",
        "iceberg/part_null": "'q' of the type int",
        "iceberg/part_special": "is no partition",
        "iceberg/py_partitioned": "by day of 'ts'",
        "iceberg/py_types": "type time",
        "iceberg/py_uuid": "type uuid",
        "iceberg/spec_evolution": "by bucket[4] of 's'",
        "iceberg/tr_day": "by day of 'ts'",
        "iceberg/tr_hour": "by hour of 'ts'",
        "iceberg/tr_month": "by month of 'ts'",
        "iceberg/tr_month_of_date": "by month of 'd'",
        "iceberg/tr_truncate": "by truncate[4] of 's'",
        "iceberg/tr_void": "'p=null/id=3' is no partition",
        "iceberg/tr_year": "by year of 'ts'",
        "iceberg/types_all": "'ntz' has type 'timestamp'",
        "iceberg/uuid_fixed_via_java": "type uuid",
        "iceberg/v3_defaults": "initial default",
    },
}
# What is refused for a while: the stages at which it is, whatever the target.
REFUSED_AT: Mapping[str, Mapping[int, str]] = {
    **dict.fromkeys(("hudi/mor_v6", "hudi/mor_v9"), dict.fromkeys((2, 3, 4, 6), "log files")),  # compacted in between
    "hudi/schema_on_read": {2: "Columns were renamed"},  # until the files were rewritten
}
# Who reads what was converted, beside Spark.
SECOND_READERS: Mapping[Format, tuple[Reader, ...]] = {
    "delta": ("duckdb",),
    "iceberg": ("duckdb",),
    "hudi": ("spark-hudi-1.0.2", "spark-hudi-0.15.0"),
}
# ... but where one of them is known to fail, of its own fault.
INSTEAD: Mapping[tuple[str, Format], tuple[Reader, ...]] = {
    # DuckDB takes lists as parquet-avro writes them for structs.
    ("hudi/nested", "delta"): ("deltalake",),
    # Hudi 0.15.0 lists the directory of a table that has no files, and fails on the names that it finds.
    ("delta/empty", "hudi"): ("spark-hudi-1.0.2",),
    ("iceberg/all_deleted", "hudi"): ("spark-hudi-1.0.2",),
    # Hudi 0.15.0 has no integers of 8 and 16 bits.
    ("delta/types_small", "hudi"): ("spark-hudi-1.0.2",),
}
# Who reads it after each commit.
QUICK_READER: Mapping[Format, Reader] = {"delta": "duckdb", "iceberg": "duckdb", "hudi": "spark"}
# What the older versions of Hudi are asked with filters, too: the types and the layouts.
FILTERED_BY_ALL = {
    "delta/nested",
    "delta/part_null",
    "delta/types_extremes",
    "delta/types_micros",
    "iceberg/nested",
    "iceberg/part_date",
    "iceberg/types_extremes",
}
# Spark takes seconds to filter a Delta table, and many of those from Hudi have the same columns.
FILTERED_AS_DELTA = {
    "hudi/cow_v6_nomdt",
    "hudi/custom_keygen",
    "hudi/drop_part_cols",
    "hudi/evolve",
    "hudi/nested",
    "hudi/part_date",
    "hudi/part_null",
    "hudi/types_all",
    "hudi/types_extremes",
    "hudi/w0150_archived",
}
PAIRS = pairs()


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def _place(report: converters.TargetReport) -> Path:
    return Path(report.location.removeprefix("file://"))


def _add_strays(table: Path) -> None:
    """Put a copy of a data file beside it, wherever there are any: who lists directories would read rows twice."""
    for folder in {file.parent for file in table.rglob("[!.]*.parquet")}:
        file = min(folder.glob("[!.]*.parquet"))
        shutil.copy2(file, folder / f"stray-{file.name}")


def _assert_that_rust_is_not_misled(place: Path, expected: pa.Table) -> None:
    """Fail unless hudi-rs refuses a table whose files have names that it does not know, rather than see no rows."""
    try:
        rows = read("hudi", place, "hudi-rs")
    except HudiError:
        return
    assert rows.num_rows == expected.num_rows


@pytest.mark.parametrize("case,target", PAIRS, ids=str)
def test_a_table_of_the_corpus(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(case, tmp_path)
    before = _files(table)
    report = convert_case(table, case, target)
    if case.name in REFUSED[target]:
        assert report.error is not None
        assert report.error.type == "UnsupportedTableFeature"
        assert REFUSED[target][case.name] in report.error.message
        assert _files(table) == before
        return
    assert report.error is None
    after = _files(table)
    assert before <= after
    assert convert_case(table, case, target).status == "unchanged"
    assert _files(table) == after
    rows = corpus.rows(case)
    place = table
    if target == "hudi":
        place = _place(report)
        _add_strays(place)
        _assert_that_rust_is_not_misled(place, rows)
    filters = (case.format, target) != ("hudi", "delta") or case.name in FILTERED_AS_DELTA
    assert_same_rows(target, place, rows, ("spark",), filters=filters)
    filters = target != "hudi" or case.name in FILTERED_BY_ALL
    others = INSTEAD.get((case.name, target), SECOND_READERS[target])
    assert_same_rows(target, place, rows, others, filters=filters)


@pytest.mark.parametrize("name", ["delta/types_all", "iceberg/types_all"])
def test_local_timestamps_in_hudi_by_request(name: str, corpus: Corpus, tmp_path: Path) -> None:
    """For whoever has no older reader than 1.2.0."""
    table = corpus.copy(name, tmp_path)
    options = {"hudi.target.local-timestamps": "true"}
    report = converters.convert(str(table), ["hudi"], options=options)
    assert_same_rows("hudi", _place(report.targets[0]), corpus.rows(name), ("spark",))


class Kept:
    """What a conversion wrote into a table, to be put into the table that takes its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, table: Path) -> None:
        """Write it into the table."""
        if self._folder.exists():
            shutil.copytree(self._folder, table, dirs_exist_ok=True)

    def keep(self, table: Path, before: set[str]) -> None:
        """Take what the table had not before."""
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in sorted(_files(table) - before):
            if (table / name).is_file():
                (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(table / name, self._folder / name)


@pytest.mark.parametrize(
    "case,target",
    [
        (case, target)
        for case, target in PAIRS
        if case.stages and (case.name in REFUSED_AT or case.name not in REFUSED[target])
    ],
    ids=str,
)
def test_a_table_is_followed_through_its_commits(case: Case, target: Format, corpus: Corpus, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    past: list[_Past] = []
    table = place = tmp_path
    for stage, contents in enumerate(case.stages, start=1):
        table = corpus.copy(case, tmp_path, stage)
        before = _files(table)
        kept.put(table)
        report = convert_case(table, case, target)
        refused = REFUSED_AT.get(case.name, {}).get(stage)
        assert (report.error is not None) == (refused is not None), f"stage {stage}: {report.error}"
        if report.error is not None:
            assert str(refused) in report.error.message
            kept.keep(table, before)
            continue
        place = _place(report)
        rows = canonical_rows(read(target, place if target == "hudi" else table, QUICK_READER[target]))
        assert digest(rows) == contents.sha256, f"stage {stage}: {contents.note}"
        kept.keep(table, before)
        if target == "hudi":
            past.append(_Past.of(place, table, contents.sha256))
    for reader in ("spark", *SECOND_READERS["hudi"]):
        for then in past:
            if then.files <= _files(table):  # else the source has deleted some
                rows = canonical_rows(read("hudi", place, reader, version=then.instant))
                assert digest(rows) == then.sha256, (reader, then.instant)


@dataclass(frozen=True)
class _Past:
    """What a Hudi table was: the instant to travel to, the digest of its rows, and the data files that it had."""

    instant: str
    sha256: str
    files: set[str]

    @classmethod
    def of(cls, place: Path, table: Path, sha256: str) -> _Past:
        instant = max(file.name.split(".")[0] for file in (place / ".hoodie").glob("*commit"))
        return cls(instant, sha256, {name for name in _files(table) if name.endswith(".parquet")})


def test_the_page_of_refusals_is_true(corpus: Corpus, tmp_path: Path) -> None:
    refused = {}
    for case, target in PAIRS:
        if case.name in REFUSED[target]:
            error = convert_case(corpus.copy(case, tmp_path), case, target).error
            assert error is not None
            refused[case.name, target] = error
    assert PAGE.read_text(encoding="utf-8") == page(refused, tmp_path)
