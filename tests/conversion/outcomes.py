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

__all__ = ["FORMATS", "PAGE", "convert_case", "others", "page", "pairs"]

PAGE = Path(__file__).parents[2] / "docs" / "refusals.md"
FORMATS: tuple[Format, ...] = ("delta", "iceberg", "hudi")
NAMES = {"delta": "Delta", "iceberg": "Iceberg", "hudi": "Hudi"}

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


def convert_case(location: Path, case: Case, target: Format) -> converters.TargetReport:
    """Convert a table of the corpus; errors of the source are reported like those of the target."""
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
