"""Measures the product beside a baseline, in one run, and prints the tables of ``bench/RESULTS.md``.

``python bench/run.py [--sizes 10000,100000,1000000] [--only convert,hudi,incremental,service,start]``

Every figure is a whole process, the best of five runs (of two at a million files): CPU seconds and peak memory.  The
baselines only read: what delta-rs needs to open the same Delta table and list its files with statistics, and what
pyiceberg needs to plan a scan of the same Iceberg table.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from incremental import measure_incremental
from measure import Cost, run
from service import measure_service
from tables import write_delta_table

_BIN = Path(sys.executable).parent
_DELTA_RS = "import sys, deltalake; print(deltalake.DeltaTable(sys.argv[1]).get_add_actions(flatten=True).num_rows)"
_PYICEBERG = (
    "import sys; from pyiceberg.table import StaticTable;"
    "print(sum(1 for _ in StaticTable.from_metadata(sys.argv[1]).scan().plan_files()))"
)
_PYICEBERG_LIMIT = 100_000
_LIBRARIES = "import numpy, pyarrow.compute, pyarrow.parquet, duckdb, obstore, msgspec"


def _best(command: list[str], files: int, undo: Path | None = None) -> Cost:
    """The run of several that needed the least CPU: what else the machine does only ever adds.

    ``undo`` is what the command writes, to be removed before each run.
    """
    costs: list[Cost] = []
    for _ in range(5 if files <= _PYICEBERG_LIMIT else 2):
        if undo is not None:
            shutil.rmtree(undo, ignore_errors=True)
        costs.append(run(command))
    return min(costs, key=lambda cost: cost.cpu)


def _convert(sizes: list[int], work: Path) -> None:
    print("| case | files | Tablecast | a baseline that only reads |")
    print("|---|---|---|---|")
    for files in sizes:
        table = work / f"delta-{files}"
        write_delta_table(table, files)
        baseline = _best([sys.executable, "-c", _DELTA_RS, str(table)], files)
        convert = [str(_BIN / "tablecast"), "convert", str(table)]
        to_iceberg = [*convert, "--to", "iceberg", "--from", "delta"]
        cost = _best(to_iceberg, files, table / "metadata")
        print(f"| Delta -> Iceberg, full | {files:,} | {cost} | delta-rs {baseline} |", flush=True)
        print(f"| Delta -> Iceberg, no change | {files:,} | {_best(to_iceberg, files)} | |", flush=True)
        shutil.rmtree(table / "_delta_log")
        reader = ""
        if files <= _PYICEBERG_LIMIT:
            # It plans 18,000 files a second: at a million it would take a minute and 5 GB.
            metadata = str(table / "metadata" / "v1.metadata.json")
            reader = f"pyiceberg {_best([sys.executable, '-c', _PYICEBERG, metadata], files)}"
        to_delta = [*convert, "--to", "delta", "--from", "iceberg"]
        cost = _best(to_delta, files, table / "_delta_log")
        print(f"| Iceberg -> Delta, full | {files:,} | {cost} | {reader} |", flush=True)
        print(f"| Iceberg -> Delta, no change | {files:,} | {_best(to_delta, files)} | |", flush=True)
        shutil.rmtree(table)


def _hudi(sizes: list[int], work: Path) -> None:
    print("\n| case | files | Tablecast | a baseline that only reads |")
    print("|---|---|---|---|")
    convert = [str(_BIN / "tablecast"), "convert"]
    for files in sizes:
        table = work / f"hudi-{files}"
        write_delta_table(table, files)
        to_hudi = [*convert, str(table), "--to", "hudi", "--from", "delta"]
        plain = [*to_hudi, "--option", "hudi.target.column-stats=false"]
        baseline = _best([sys.executable, "-c", _DELTA_RS, str(table)], files)
        cost = _best(plain, files, table / ".hoodie")
        print(
            f"| Delta -> Hudi, full, without column statistics | {files:,} | {cost} | delta-rs {baseline} |", flush=True
        )
        _print_largest_commit(table)
        cost = _best(to_hudi, files, table / ".hoodie")
        print(f"| Delta -> Hudi, full, with them | {files:,} | {cost} | |", flush=True)
        print(f"| Delta -> Hudi, no change | {files:,} | {_best(to_hudi, files)} | |", flush=True)
        shutil.rmtree(table / "_delta_log")
        for target, folder in (("iceberg", "metadata"), ("delta", "_delta_log")):
            command = [*convert, str(table), "--to", target, "--from", "hudi"]
            cost = _best(command, files, table / folder)
            print(f"| Hudi -> {target.title()}, full | {files:,} | {cost} | |", flush=True)
        shutil.rmtree(table)


def _print_largest_commit(table: Path) -> None:
    largest = max(path.stat().st_size for path in (table / ".hoodie").glob("*.replacecommit"))
    print(f"| … largest commit file | | {largest / 2**20:,.0f} MB | |", flush=True)


def _start(_: list[int], __: Path) -> None:
    costs = [run([str(_BIN / "tablecast"), "--help"]) for _ in range(10)]
    wall = statistics.median(cost.wall for cost in costs)
    print(f"\n`tablecast --help`: {wall:.2f} s wall (median of {len(costs)}), {costs[0]}")
    libraries = _best([sys.executable, "-c", _LIBRARIES], 0)
    print(f"\nImporting the libraries that a conversion needs, and nothing else: {libraries}")


def _service(_: list[int], work: Path) -> None:
    print(measure_service(work))


_PARTS: dict[str, Callable[[list[int], Path], None]] = {
    "convert": _convert,
    "hudi": _hudi,
    "incremental": measure_incremental,
    "start": _start,
    "service": _service,
}


def main() -> None:
    """Measure what the arguments name; everything by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--only", default=",".join(_PARTS))
    arguments = parser.parse_args()
    # As an installed package is: with its bytecode compiled, which a development machine may be told not to keep.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run([str(_BIN / "tablecast"), "formats"])
    run([str(_BIN / "python"), "-m", "compileall", "-q", "app", "converters"])
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    with tempfile.TemporaryDirectory() as work:
        for part in arguments.only.split(","):
            _PARTS[part]([int(size) for size in arguments.sizes.split(",")], Path(work))


if __name__ == "__main__":
    main()
