"""What becomes of each table of the corpus: converted, or refused and why; the source of ``docs/refusals.md``.

``python -m tests.conversion.outcomes`` writes the page.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import converters
from tests.corpus import Case, Corpus, cases
from tests.readers.tables import Format

__all__ = ["FORMATS", "PAGE", "REFUSED", "convert_case", "others", "page", "pairs", "refused_at"]

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"
FORMATS: tuple[Format, ...] = ("delta", "iceberg", "hudi")
NAMES = {"delta": "Delta", "iceberg": "Iceberg", "hudi": "Hudi"}

# What cannot be carried in this release, and the words by which the refusal names it.
REFUSED: Mapping[Format, Mapping[str, str]] = {
    "delta": {
        "hudi/mor_v6": "log files",
        "hudi/mor_v9": "log files",
        "hudi/sql_table": "log files",
        "iceberg/avro_files": "format AVRO",
        "iceberg/equality_deletes": "equality deletes",
        "iceberg/evolve": "'full_name'",
        "iceberg/orc_files": "format ORC",
        "iceberg/py_types": "'time'",
        "iceberg/py_uuid": "'uuid'",
        "iceberg/uuid_fixed_via_java": "'uuid'",
        "iceberg/v3_defaults": "initial default",
    },
    "iceberg": {
        "hudi/mor_v6": "log files",
        "hudi/mor_v9": "log files",
        "hudi/nested": "two-level form",
        "hudi/sql_table": "log files",
    },
    "hudi": {
        "delta/colmap_name": "'sL' is no partition",
        "delta/colmap_upgrade": "'lY' is no partition",
        "delta/dml_dv": "are deleted, which Hudi cannot say",
        "delta/part_binary": "'b' of the type binary",
        "delta/rs_partitioned": "is no partition",
        "delta/types_all": "'ntz' has type 'timestamp'",
        "iceberg/add_files_no_ids": "lies outside",
        "iceberg/avro_files": "format AVRO",
        "iceberg/equality_deletes": "equality deletes",
        "iceberg/evolve": "'full_name'",
        "iceberg/mor_dv_v3": "are deleted, which Hudi cannot say",
        "iceberg/mor_posdel_v2": "are deleted, which Hudi cannot say",
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


def _ways(name: str, *targets: Format) -> tuple[tuple[str, Format], ...]:
    return tuple((name, target) for target in targets)


# The stages at which a table is refused, and the words; at last it is what `REFUSED` says.
_LOGS = dict.fromkeys((2, 3, 4, 6), "log files")  # compacted in between
_LINKED = {2: "Columns were renamed"}
_DELETED = dict.fromkeys(range(2, 6), "are deleted, which Hudi cannot say")
_RENAMED = {4: "now, but the data file", **dict.fromkeys(range(5, 9), "'full_name'")}
REFUSED_AT: Mapping[tuple[str, Format], Mapping[int, str]] = {
    ("delta/colmap_name", "hudi"): dict.fromkeys(range(1, 6), "is no partition"),
    ("delta/colmap_upgrade", "hudi"): {2: "is no partition"},
    ("delta/dml_dv", "hudi"): _DELETED,
    **dict.fromkeys(_ways("hudi/mor_v6", "delta", "iceberg"), _LOGS),
    **dict.fromkeys(_ways("hudi/mor_v9", "delta", "iceberg"), _LOGS),
    # Until the files were rewritten.
    **dict.fromkeys(_ways("hudi/schema_on_read", "delta", "iceberg"), _LINKED),
    **dict.fromkeys(_ways("hudi/sql_table", "delta", "iceberg"), dict.fromkeys(range(2, 5), "log files")),
    ("iceberg/equality_deletes", "delta"): {2: "equality deletes"},
    ("iceberg/equality_deletes", "hudi"): {2: "equality deletes"},
    **dict.fromkeys(_ways("iceberg/evolve", "delta", "hudi"), _RENAMED),
    ("iceberg/mor_dv_v3", "hudi"): _DELETED,
    ("iceberg/mor_posdel_v2", "hudi"): _DELETED,
    ("iceberg/py_partitioned", "hudi"): dict.fromkeys(range(1, 5), "by day of 'ts'"),
    ("iceberg/spec_evolution", "hudi"): dict.fromkeys(range(2, 5), "The table is partitioned by"),
    ("iceberg/tr_void", "hudi"): {2: "is no partition"},
}

_HEAD = """# What is refused, and why

Real tables of the test corpus that cannot be carried to another format yet, with the error that a caller gets.
Everything else in the corpus converts, and is read back by Spark and by a second engine with the same rows.  This page
is generated (`python -m tests.conversion.outcomes`); a test keeps it true.

| table | what it has | to | error | message |
|---|---|---|---|---|
"""


def others(table_format: Format) -> tuple[Format, ...]:
    """The formats to convert to."""
    return tuple(each for each in FORMATS if each != table_format)


def pairs() -> list[tuple[Case, Format]]:
    """Every table of the corpus with each format that it can be converted to."""
    return [(case, target) for case in cases() for target in others(case.format)]


def refused_at(case: Case, target: Format, stage: int | None) -> str | None:
    """The words by which a table is refused at a stage, or as it is at last; None where it is carried."""
    if stage is None:
        return REFUSED[target].get(case.name)
    return REFUSED_AT.get((case.name, target), {}).get(stage)


def convert_case(
    location: Path,
    case: Case,
    target: Format,
    *,
    storage: converters.Storage | None = None,
    options: Mapping[str, str] | None = None,
) -> converters.TargetReport:
    """Convert a table of the corpus; errors of the source are reported like those of the target."""
    try:
        report = converters.convert(
            str(location), [target], source_format=case.format, storage=storage, options=options
        )
    except converters.TablecastError as error:
        return converters.TargetReport(
            format=target.upper(),
            location=str(location),
            status="failed",
            error=converters.TargetError.of(error),
        )
    return report.targets[0]


def page(refused: dict[tuple[str, Format], converters.TargetError], root: Path) -> str:
    """The text of ``docs/refusals.md`` for what was refused, by the case's name and the format that was asked for."""
    rows = []
    for case, target in pairs():
        error = refused.get((case.name, target))
        if error is not None:
            message = f"{error.message} {error.hint}".replace(str(root), "").replace("|", "\\|").strip()
            rows.append(f"| `{case.name}` | {case.notes} | {target} | `{error.type}` | {message} |")
    return _HEAD + "\n".join(rows) + "\n" + _totals(refused)


def _totals(refused: dict[tuple[str, Format], converters.TargetError]) -> str:
    lines = ["", "| from | to | tables that convert |", "|---|---|---|"]
    for source in FORMATS:
        total = len(cases(source))
        for target in others(source):
            count = sum(name.startswith(f"{source}/") and to == target for name, to in refused)
            lines.append(f"| {NAMES[source]} | {NAMES[target]} | {total - count} of {total} |")
    return "\n".join(lines) + "\n"


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpus = Corpus(root / "corpus")
        refused = {}
        for case, target in pairs():
            report = convert_case(corpus.copy(case, root / "tables"), case, target)
            if report.error is not None:
                refused[case.name, target] = report.error
        PAGE.write_text(page(refused, root / "tables"), encoding="utf-8")
    sys.stdout.write(f"{len(refused)} refused\n")


if __name__ == "__main__":
    _main()
