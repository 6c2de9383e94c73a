"""What a sync costs when little has changed: nothing, ten files added, ten files removed, a backlog of commits.

One Delta table is the driver.  Its Iceberg and Hudi conversions are targets first and then sources themselves, of
conversions that lie elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from measure import Cost, run
from tables import append_to_delta_table, remove_from_delta_table, write_delta_table

__all__ = ["measure_incremental"]

_TABLECAST = str(Path(sys.executable).parent / "tablecast")
_FILES = 10
_BACKLOG = 20
_ROUNDS = 3


def measure_incremental(sizes: list[int], work: Path) -> None:
    """Print a table of them."""
    print("\n| direction | files | no change | 10 files added | 10 files removed | 20 commits of 10 files each |")
    print("|---|---|---|---|---|---|")
    for files in sizes:
        directions = _directions(work / f"driver-{files}", work / f"copies-{files}")
        driver = _Driver(work / f"driver-{files}", files)
        for command in directions.values():
            run(command)
        unchanged = {name: _best(command) for name, command in directions.items()}
        added = _measured(directions, driver.append, _ROUNDS)
        removed = _measured(directions, driver.remove, _ROUNDS)
        backlog = _measured(directions, driver.append_often, 1)
        for name in directions:
            cells = " | ".join(str(column[name]) for column in (unchanged, added, removed, backlog))
            print(f"| {name} | {files:,} | {cells} |", flush=True)


def _directions(driver: Path, copies: Path) -> dict[str, list[str]]:
    """What is converted, in the order in which one needs the other."""
    copies.mkdir(exist_ok=True)

    def command(source: str, target: str, place: Path | None) -> list[str]:
        elsewhere = ["--target-path", str(place)] if place else []
        return [_TABLECAST, "convert", str(driver), "--from", source, "--to", target, *elsewhere]

    return {
        "Delta -> Iceberg": command("delta", "iceberg", None),
        "Delta -> Hudi": command("delta", "hudi", None),
        "Iceberg -> Delta": command("iceberg", "delta", copies / "iceberg-delta"),
        "Hudi -> Delta": command("hudi", "delta", copies / "hudi-delta"),
        "Hudi -> Iceberg": command("hudi", "iceberg", copies / "hudi-iceberg"),
    }


def _measured(directions: dict[str, list[str]], step: Callable[[], None], rounds: int) -> dict[str, Cost]:
    costs: dict[str, list[Cost]] = {name: [] for name in directions}
    for _ in range(rounds):
        step()
        for name, command in directions.items():
            costs[name].append(run(command))
    return {name: min(found, key=lambda cost: cost.cpu) for name, found in costs.items()}


def _best(command: list[str]) -> Cost:
    return min((run(command) for _ in range(5)), key=lambda cost: cost.cpu)


class _Driver:
    """The Delta table that everything comes from."""

    def __init__(self, directory: Path, files: int) -> None:
        write_delta_table(directory, files)
        self._directory = directory
        self._present = files
        self._removed = 0

    def append(self) -> None:
        append_to_delta_table(self._directory, _FILES, present=self._present)
        self._present += _FILES

    def append_often(self) -> None:
        for _ in range(_BACKLOG):
            self.append()

    def remove(self) -> None:
        """Remove files that lie far from each other."""
        apart = self._present // (_FILES + 1)
        chosen = [self._removed + number * apart for number in range(_FILES)]
        remove_from_delta_table(self._directory, chosen)
        self._removed += 1
