"""A table that somebody changes at random, and syncs of it at random times: what must hold at each and at last."""

from __future__ import annotations

import random
from pathlib import Path

import converters
from tests.conversion.outcomes import others
from tests.histories.past import history
from tests.histories.writers import SPARK_KINDS, DeltaRs, PyIceberg, SparkSql, Writer
from tests.readers import Format, Reader, canonical_rows, read

__all__ = ["KINDS", "HistoryError", "live"]

KINDS = ("delta-rs", "pyiceberg", *SPARK_KINDS)
# Not pyiceberg: it refuses tables whose files say string here and string view there, as delta-rs leaves them.
_READERS: dict[Format, tuple[Reader, ...]] = {"delta": ("duckdb", "deltalake"), "iceberg": ("duckdb",)}
_OPTIONS: tuple[dict[str, str], ...] = ({}, {}, {}, {"sync.max-commits": "2"}, {"sync.mode": "full"})


class HistoryError(AssertionError):
    """What was wrong, and all that had been done until then."""


class _Life:
    def __init__(self, kind: str, folder: Path, chance: random.Random, targets: tuple[Format, ...]) -> None:
        self.done: list[str] = [kind]
        self._chance = chance
        self._writer = _writer(kind, folder / "t", chance)
        self._targets = tuple(each for each in others(self._writer.table_format) if each in targets)
        # What each version held; several where the columns changed without a version.
        self._known: dict[str, list[list[str]]] = {}
        self._travelled: set[str] = set()
        self._note()

    def _note(self) -> None:
        self._known.setdefault(self._writer.version(), []).append(self._writer.rows())

    def change(self) -> None:
        operations = self._writer.operations()
        name = self._chance.choice(sorted(operations))
        self.done.append(name)
        operations[name]()
        self._note()

    def sync(self, *, fully: bool = False) -> None:
        """Sync some targets; or, at last, all of them until they have caught up."""
        count = self._chance.randrange(1, len(self._targets) + 1)
        targets = list(self._targets) if fully else self._chance.sample(self._targets, count)
        options = {} if fully else self._chance.choice(_OPTIONS)
        self.done.append(f"sync {targets} {options}")
        report = converters.convert(
            str(self._writer.location), targets, source_format=self._writer.table_format, options=options
        )
        for each in report.targets:
            target = next(name for name in self._targets if name.upper() == each.format)
            place = Path(each.location.removeprefix("file://"))
            if each.error is not None:
                self._check(each.error.type == "UnsupportedTableFeature", f"{target}: {each.error}")
                continue
            self.done.append(f"  {target}: {each.status}, {each.mode}, {each.commits} commits, {each.reason}")
            reader = self._chance.choice(_READERS.get(target, ("spark",)))
            if each.is_behind and self._is_cleaned:
                continue  # files may be gone
            found = canonical_rows(read(target, place, reader))
            if each.is_behind:
                wanted = self._at(str(each.source_version))
                self._check(wanted is None or found in wanted, f"{target} is wrong, by {reader}")
                continue
            self._check(found == self._writer.rows(), f"{target} has other rows than the source, by {reader}")
            if fully:
                self._travel(target, place)

    def _travel(self, target: Format, place: Path) -> None:
        for past in history(target, place):
            wanted = self._at(past.source_version)
            try:
                found = canonical_rows(read(target, place, _READERS.get(target, ("spark",))[0], version=past.version))
            except Exception:
                if self._is_cleaned:
                    continue  # files may be gone
                raise
            self._check(wanted is None or found in wanted, f"{target} is wrong at {past}")

    def _at(self, version: str) -> list[list[str]] | None:
        """What a version of the source held, under each set of columns; None where that cannot be known any more."""
        if version not in self._travelled and self._writer.table_format != "hudi":
            # The versions within an operation, and the columns that a version had before a rollback to it.
            source = self._writer.table_format
            reader: Reader = "deltalake" if source == "delta" else "duckdb"
            try:
                rows = canonical_rows(read(source, self._writer.location, reader, version=int(version)))
            except Exception:
                if self._is_cleaned:
                    return None
                raise
            self._travelled.add(version)
            self._known.setdefault(version, []).append(rows)
        return self._known.get(version)

    @property
    def _is_cleaned(self) -> bool:
        return "vacuum" in self.done or "expire" in self.done

    def _check(self, right: bool, said: str) -> None:
        if not right:
            raise HistoryError(said)


def _writer(kind: str, location: Path, chance: random.Random) -> Writer:
    match kind:
        case "delta-rs":
            return DeltaRs(location, chance)
        case "pyiceberg":
            return PyIceberg(location, chance)
        case _:
            return SparkSql(kind, location, chance)


def live(kind: str, folder: Path, seed: int, *, steps: int, targets: tuple[Format, ...]) -> list[str]:
    """Live through one history and check it.

    Args:
        kind: One of ``KINDS``.
        folder: An empty one.
        seed: The same seed makes the same history.
        steps: How many operations.
        targets: The formats that may be synced to, the source's own aside.

    Returns:
        What was done.

    Raises:
        HistoryError: Something was wrong; the message says what was done.
    """
    chance = random.Random(seed)
    life = _Life(kind, folder, chance, targets)
    try:
        for _ in range(steps):
            life.change()
            if chance.random() < 0.4:
                life.sync()
        life.sync(fully=True)
    except Exception as error:
        story = "\n".join(life.done)
        raise HistoryError(f"{kind}, seed {seed}, {steps} steps: {type(error).__name__}: {error}\n{story}") from error
    return life.done
