"""Every real table converts to the other format with the same rows, or is refused by name and left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conversion.outcomes import PAGE, convert_case, other, page
from tests.corpus import Case, Corpus, cases
from tests.readers import Reader, assert_same_rows
from tests.readers.rows import canonical_rows, digest
from tests.readers.tables import read

# What cannot be carried in this release, and the words by which the refusal names it.
REFUSED: dict[str, str] = {
    "delta/dml_dv": "deletion vector",
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
}

# A second reader beside Spark, where DuckDB's own faults would hide ours.
SECOND_READER: dict[str, Reader] = {}


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_table_of_the_corpus(case: Case, corpus: Corpus, tmp_path: Path) -> None:
    table = corpus.copy(case, tmp_path)
    before = _files(table)
    report = convert_case(table, case)
    if case.name in REFUSED:
        assert report.error is not None
        assert report.error.type == "UnsupportedTableFeature"
        assert REFUSED[case.name] in report.error.message
        assert _files(table) == before
        return
    assert report.error is None
    target = other(case.format)
    assert_same_rows(target, table, corpus.rows(case), ("spark", SECOND_READER.get(case.name, "duckdb")))
    after = _files(table)
    assert before <= after
    assert convert_case(table, case).status == "unchanged"
    assert _files(table) == after


@pytest.mark.parametrize("case", [case for case in cases() if case.stages and case.name not in REFUSED], ids=str)
def test_a_table_is_followed_through_its_commits(case: Case, corpus: Corpus, tmp_path: Path) -> None:
    target = other(case.format)
    kept: dict[str, bytes] = {}
    for stage, contents in enumerate(case.stages, start=1):
        table = corpus.copy(case, tmp_path, stage)
        # The stage took the whole table's place: what we wrote into the last one goes on here.
        for name, data in kept.items():
            (table / name).parent.mkdir(parents=True, exist_ok=True)
            (table / name).write_bytes(data)
        report = convert_case(table, case)
        assert report.error is None, f"stage {stage}"
        rows = canonical_rows(read(target, table, SECOND_READER.get(case.name, "duckdb")))
        assert digest(rows) == contents.sha256, f"stage {stage}: {contents.note}"
        folder = table / ("_delta_log" if target == "delta" else "metadata")
        kept = {str(path.relative_to(table)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_of_refusals_is_true(corpus: Corpus, tmp_path: Path) -> None:
    refused = {}
    for case in cases():
        if case.name in REFUSED:
            error = convert_case(corpus.copy(case, tmp_path), case).error
            assert error is not None
            refused[case.name] = error
    assert PAGE.read_text(encoding="utf-8") == page(refused, tmp_path)
