"""A table of the corpus that lives: its stages take each other's place, and what syncs wrote beside it stays."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import converters
from converters.errors import UnsupportedTableFeature
from converters.registry import parse_options, source_class, source_prefix
from converters.storage import ObjectStorage, Storage
from tests.conversion.outcomes import convert_case, refused_at
from tests.corpus import Case, Contents, Corpus
from tests.histories.past import Past, history, state_of
from tests.readers import Format, Reader, canonical_rows, digest, read

__all__ = ["READER", "Staged"]

# Who reads the targets after each commit.
READER: Mapping[Format, Reader] = {"delta": "duckdb", "iceberg": "duckdb", "hudi": "spark"}
# Who travels in sources to what was between two stages. DuckDB takes renamed partition columns for null.
_SOURCE_READER: Mapping[Format, Reader] = {"delta": "deltalake", "iceberg": "duckdb", "hudi": "spark"}
# Their own readers cannot travel to all that these tables were.
_CLEANED = {
    "delta/rs_simple",
    "delta/vacuumed",
    "hudi/archived",
    "hudi/cleaned",
    "hudi/w0150_archived",
    "iceberg/expired",
}


@dataclasses.dataclass(frozen=True)
class _State:
    """A version of the source: what it holds, and the data files that were there with it."""

    contents: Contents
    files: frozenset[str]
    is_refused: bool


class Staged:
    """One case on its way to one target."""

    def __init__(
        self, case: Case, target: Format, corpus: Corpus, root: Path, options: Mapping[str, str] | None = None
    ) -> None:
        """Put the first stage in its place under ``root``; ``len`` tells how many there are.

        The options go into every sync.
        """
        self.case = case
        self.target = target
        self.stage = 0
        self._corpus = corpus
        self._options = dict(options or {})
        self._root = root / "tables"
        self._kept = root / "kept"
        self._states: dict[str, list[_State]] = {}
        self._between: dict[str, str] = {}
        self._pristine: set[str] = set()
        self._place: Path | None = None
        self.table = self._root
        self.go_to(1)

    def __len__(self) -> int:
        """The stages, and the table as it was at last."""
        return len(self.case.stages) + 1

    @property
    def contents(self) -> Contents:
        """What the table holds now."""
        return self.case.contents if self.stage == len(self) else self.case.at(self.stage)

    @property
    def version(self) -> str | None:
        """The source's version now; None where it is refused."""
        plugin = source_class(self.case.format)
        chosen = parse_options(plugin.options_type, self._options, source_prefix(plugin))
        source = plugin.open(ObjectStorage(), f"file://{self.table}", chosen)
        with suppress(UnsupportedTableFeature):
            return source.snapshot().version
        return None

    def go_to(self, stage: int) -> None:
        """Let the writers of the source go on until it is at a stage."""
        if self.stage:
            self._keep()
        self.stage = stage
        self.table = self._corpus.copy(self.case, self._root, None if stage == len(self) else stage)
        self._pristine = _files(self.table)
        if self._kept.exists():
            shutil.copytree(self._kept, self.table, dirs_exist_ok=True)
        version = self.version
        if version is not None:
            data = frozenset(name for name in self._pristine if name.endswith(".parquet"))
            # A version of an Iceberg table does not say its current columns.
            self._states.setdefault(version, []).append(_State(self.contents, data, self.refused is not None))

    @property
    def refused(self) -> str | None:
        """The words by which the source is refused as it is now; None where it is not."""
        return self._refused_at(self.stage)

    def go_to_the_end(self) -> None:
        """Let the writers of the source go on until its last stage that can be carried; note what it was on the way."""
        last = next(stage for stage in range(len(self), 0, -1) if self._refused_at(stage) is None)
        for stage in range(self.stage + 1, last + 1):
            self.go_to(stage)

    def save(self, folder: Path) -> None:
        """Copy the table and all beside it."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.table, folder)

    def restore(self, folder: Path) -> None:
        """Undo what happened since ``save``."""
        shutil.rmtree(self.table)
        shutil.copytree(folder, self.table)

    def sync(self, storage: Storage | None = None, **options: str) -> converters.TargetReport:
        """Bring the target up to date."""
        report = convert_case(self.table, self.case, self.target, storage=storage, options=self._options | options)
        if report.error is None:
            self._place = Path(report.location.removeprefix("file://"))
        return report

    @property
    def place(self) -> Path:
        """Where the target is."""
        if self._place is not None:
            return self._place
        lies_deeper = self.target == "hudi" and self.case.format == "iceberg"
        return self.table / "data" if lies_deeper else self.table

    def rows(self, reader: Reader | None = None, version: int | str | None = None) -> str:
        """The digest of the target's rows, now or at one of its versions."""
        return digest(canonical_rows(read(self.target, self.place, reader or READER[self.target], version=version)))

    @property
    def source_version(self) -> str:
        """The source's version that the target says to equal."""
        return str(state_of(self.target, self.place)["sourceIdentifier"])

    def history(self) -> list[Past]:
        """The target's versions; none where there is no target."""
        try:
            return history(self.target, self.place)
        except FileNotFoundError:
            return []

    def wanted(self, source_version: str) -> set[str]:
        """The digests of what a version of the source held (several where columns changed without a version).

        None of them where files of it are no longer there.
        """
        states = self._states.get(source_version)
        if states is not None:
            here = _files(self.table)
            return {state.contents.sha256 for state in states if state.files <= here}
        if self.case.name in _CLEANED:
            return set()
        known = self._between.get(source_version)
        if known is None:
            version = source_version if self.case.format == "hudi" else int(source_version)
            reader = _SOURCE_READER[self.case.format]
            known = digest(canonical_rows(read(self.case.format, self.table, reader, version=version)))
            self._between[source_version] = known
        return {known}

    def versions_on_the_way(self) -> list[str]:
        """The source's versions at the stages that have been, those left out that are refused or changed no rows."""
        found: list[str] = []
        rows = ""
        for version, (state, *_) in self._states.items():
            if state.contents.sha256 != rows and not state.is_refused:
                found.append(version)
                rows = state.contents.sha256
        return found

    def _refused_at(self, stage: int) -> str | None:
        if "iceberg.source.read-data" in self._options:
            return None
        return refused_at(self.case, self.target, None if stage == len(self) else stage)

    def _keep(self) -> None:
        shutil.rmtree(self._kept, ignore_errors=True)
        for name in sorted(_files(self.table) - self._pristine):
            if (self.table / name).is_file():
                (self._kept / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.table / name, self._kept / name)


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}
