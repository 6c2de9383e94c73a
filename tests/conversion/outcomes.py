"""What becomes of each table of the corpus: converted, or refused and why; the source of ``docs/refusals.md``.

``python -m tests.conversion.outcomes`` writes the page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import converters
from tests.corpus import Case, Corpus, cases
from tests.readers.tables import Format

__all__ = ["PAGE", "convert_case", "other", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"

_HEAD = """# What is refused, and why

Real tables of the test corpus that cannot be carried to the other format yet, with the error that a caller gets.
Everything else in the corpus converts, and is read back by Spark and by a second engine with the same rows.  This page
is generated (`python -m tests.conversion.outcomes`); a test keeps it true.

| table | what it has | to | error | message |
|---|---|---|---|---|
"""


def other(table_format: Format) -> Format:
    """The format to convert to."""
    return "iceberg" if table_format == "delta" else "delta"


def convert_case(location: Path, case: Case) -> converters.TargetReport:
    """Convert a table of the corpus to the other format; errors of the source are reported like those of the target."""
    target = other(case.format)
    try:
        report = converters.convert(str(location), [target], source_format=case.format)
    except converters.TablecastError as error:
        return converters.TargetReport(
            format=target.upper(),
            location=str(location),
            status="failed",
            error=converters.TargetError.of(error),
        )
    return report.targets[0]


def page(refused: dict[str, converters.TargetError], root: Path) -> str:
    """The text of ``docs/refusals.md`` for what was refused, by the case's name."""
    rows = []
    for case in cases():
        error = refused.get(case.name)
        if error is not None:
            message = f"{error.message} {error.hint}".replace(str(root), "").replace("|", "\\|").strip()
            rows.append(f"| `{case.name}` | {case.notes} | {other(case.format)} | `{error.type}` | {message} |")
    total = {table_format: len(cases(table_format)) for table_format in ("delta", "iceberg")}
    count = {table_format: sum(name.startswith(table_format) for name in refused) for table_format in total}
    tail = (
        f"\nDelta -> Iceberg: {total['delta'] - count['delta']} of {total['delta']} convert; "
        f"Iceberg -> Delta: {total['iceberg'] - count['iceberg']} of {total['iceberg']}.\n"
    )
    return _HEAD + "\n".join(rows) + "\n" + tail


def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        corpus = Corpus(root / "corpus")
        refused = {}
        for case in cases():
            report = convert_case(corpus.copy(case, root / "tables"), case)
            if report.error is not None:
                refused[case.name] = report.error
        PAGE.write_text(page(refused, root / "tables"), encoding="utf-8")
    sys.stdout.write(f"{len(refused)} refused\n")


if __name__ == "__main__":
    _main()
