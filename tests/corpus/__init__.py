"""Delta, Iceberg and Hudi tables as real writers leave them, with the rows that are in them.

``cases.json`` lists them; ``tables.tar.zst`` and ``hudi.tar.zst`` hold each table and, for some, what it was after each
of its commits.
"""

import dataclasses
import functools
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from tests.corpus.relocate import relocate_iceberg
from tests.readers import Format, Reader, canonical_rows, digest, read

HERE = Path(__file__).parent
WRITTEN_AT = "/corpus"  # the root that the tables were written under
ARCHIVES: dict[Format, str] = {"delta": "tables.tar.zst", "iceberg": "tables.tar.zst", "hudi": "hudi.tar.zst"}


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a table holds: the number of rows, the digest of its canonical rows, and its columns."""

    rows: int
    sha256: str
    schema: tuple[tuple[str, str], ...]
    note: str = ""

    @classmethod
    def of(cls, said: dict[str, Any]) -> "Contents":
        """Take it from ``cases.json``."""
        schema = tuple((name, kind) for name, kind in said["schema"])
        return cls(said["rows"], said["sha256"], schema, said.get("note", ""))


@dataclasses.dataclass(frozen=True)
class Case:
    """One table of the corpus.

    Attributes:
        name: Its format, a slash, and what is special about it.
        writer: Who wrote it.
        notes: How.
        contents: What was written (not what a reader that errs makes of it).
        stages: What it held after its first commits.
        reader: A reader that sees what was written.
        table_version: Of a Hudi table: the version of its layout.
    """

    name: str
    writer: str
    notes: str
    contents: Contents
    stages: tuple[Contents, ...] = ()
    reader: Reader = "spark"
    table_version: int | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def format(self) -> Format:
        """Return the table's format."""
        return next(known for known in ARCHIVES if self.name.startswith(f"{known}/"))

    def at(self, stage: int | None) -> Contents:
        """Return what the table held after its nth commit (from 1), or holds at last."""
        return self.contents if stage is None else self.stages[stage - 1]


def _case(name: str, said: dict[str, Any]) -> Case:
    return Case(
        name,
        said["writer"],
        said["notes"],
        Contents.of(said),
        tuple(Contents.of(stage) for stage in said.get("stages", [])),
        said.get("reader", "spark"),
        said.get("table_version"),
    )


@functools.cache
def _all() -> dict[str, Case]:
    listed = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
    return {name: _case(name, said) for name, said in listed.items()}


def cases(table_format: Format | None = None) -> list[Case]:
    """Return the cases, of one format or of all."""
    return [case for case in _all().values() if table_format in (None, case.format)]


def case(name: str) -> Case:
    """Return a case by its name, as ``delta/simple``."""
    return _all()[name]


class Corpus:
    """The tables, unpacked under a folder of this test session when they are first wanted."""

    def __init__(self, folder: Path) -> None:
        self._pristine = folder / "pristine"
        self._shared = folder / "shared"
        self._rows: dict[tuple[str, int | None], pa.Table] = {}
        self._unpacked: set[str] = set()

    def _source(self, wanted: Case) -> Path:
        name = ARCHIVES[wanted.format]
        if name not in self._unpacked:
            unpack(HERE / name, self._pristine)
            self._unpacked.add(name)
        return self._pristine

    def copy(self, wanted: Case | str, root: Path, stage: int | None = None) -> Path:
        """Put a table under `root`, to be done with as one likes, and return where it is.

        A stage is put where the table is: a later one takes the place of an earlier one, as if it had been written to.
        """
        wanted = case(wanted) if isinstance(wanted, str) else wanted
        source = self._source(wanted) / wanted.name
        if stage is not None:
            source = self._pristine / "stages" / wanted.name / f"stage{stage}"
        place = root.absolute() / wanted.name
        _replace(source, place)
        if wanted.format == "iceberg":
            outside = Path("iceberg_ext") / place.name
            if (self._pristine / outside).exists():
                _replace(self._pristine / outside, root.absolute() / outside)
            relocate_iceberg(place, WRITTEN_AT, str(root.absolute()))
        return place

    def path(self, wanted: Case | str, stage: int | None = None) -> Path:
        """Return a table that is only to be read, by this and by other tests."""
        wanted = case(wanted) if isinstance(wanted, str) else wanted
        root = self._shared / ("last" if stage is None else f"stage{stage}")
        place = root / wanted.name
        return place if place.exists() else self.copy(wanted, root, stage)

    def rows(self, wanted: Case | str, stage: int | None = None) -> pa.Table:
        """Return a table's rows as a reader that is right about it sees them: they are what the corpus says."""
        wanted = case(wanted) if isinstance(wanted, str) else wanted
        if (wanted.name, stage) not in self._rows:
            rows = read(wanted.format, self.path(wanted, stage), wanted.reader)
            if digest(canonical_rows(rows)) != wanted.at(stage).sha256:
                raise AssertionError(f"{wanted} is not what it was when the corpus was made")
            self._rows[wanted.name, stage] = rows
        return self._rows[wanted.name, stage]


def unpack(packed: Path, folder: Path, *, only: str = "") -> None:
    """Write out an archive's files and empty folders, or those below one folder of it."""
    # `extractall` differs too much between Python versions.
    data = zstandard.decompress(packed.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if only and not member.name.startswith(f"{only}/"):
                continue
            place = folder / member.name
            content = archive.extractfile(member)
            if content is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.read())
            os.utime(place, (member.mtime, member.mtime))


def _replace(source: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)
