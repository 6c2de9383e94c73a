"""Every real table converts to each other format with the same rows, or is refused by name and left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

import converters
from tests.conversion.outcomes import PAGE, REFUSED, convert_case, page, pairs
from tests.corpus import Case, Corpus
from tests.readers import Format, Reader, assert_same_rows, read
from tests.readers.hudi import HudiError

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


def test_the_page_of_refusals_is_true(corpus: Corpus, tmp_path: Path) -> None:
    refused = {}
    for case, target in PAIRS:
        if case.name in REFUSED[target]:
            error = convert_case(corpus.copy(case, tmp_path), case, target).error
            assert error is not None
            refused[case.name, target] = error
    assert PAGE.read_text(encoding="utf-8") == page(refused, tmp_path)
