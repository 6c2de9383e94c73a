"""Where a target's data files lie: their partitions' directories, and what Hudi's readers make of those.

Spark with Hudi takes the values of partition columns from the directories, whatever the files say
(``HoodieSparkUtils.parsePartitionColumnValues``, Spark's ``PartitioningUtils``): a level is ``name=value`` or a bare
value, escapes are undone whether the table says that it escapes or not, ``__HIVE_DEFAULT_PARTITION__`` is null, and
the text is cast to the column's type.  Where that is not the value that the source gives a file, the table cannot be
published.

The other way round, Hudi 1.x makes the directory's name out of the value that a filter asks for
(``SparkHoodieTableFileIndex``), with ``name=`` and with escapes as the table's properties say.  So all directories must
have the one form that the properties can say.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature
from converters.hudi.partitions.path_escapes import escaped, unescaped
from converters.model.types import DecimalType, PrimitiveType, Type, type_name

__all__ = ["DirectoryForms", "Located", "PartitionColumn", "PartitionDirectories", "locate"]

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"^-?[0-9]{1,19}$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_ZONED = re.compile(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2})$")


class PartitionColumn(msgspec.Struct, frozen=True):
    """A column that the table is partitioned by.

    Attributes:
        name: The column's.
        type: What it holds.
        members: Ids of the partition fields that give its value, one for each spec that has it.
    """

    name: str
    type: Type
    members: tuple[int, ...]


class DirectoryForms(msgspec.Struct, frozen=True):
    """Which forms the directories may be in, as far as they were seen.

    Attributes:
        hive_style: ``name=value``.
        bare: Values alone.
        escaped: Values escaped as Hudi does it.
        plain: Values as they are.
    """

    hive_style: bool = True
    bare: bool = True
    escaped: bool = True
    plain: bool = True

    @property
    def is_possible(self) -> bool:
        """Whether there is a form that they are all in."""
        return (self.hive_style or self.bare) and (self.escaped or self.plain)

    def after(self, text: str, value: Any, *, hive_style: bool) -> DirectoryForms:
        """What is left when one more level was seen."""
        is_text = isinstance(value, str)
        return DirectoryForms(
            hive_style=self.hive_style and hive_style,
            bare=self.bare and not hive_style,
            escaped=self.escaped and (not is_text or text == escaped(value)),
            plain=self.plain and (not is_text or text == value),
        )


class Located(msgspec.Struct, frozen=True):
    """Where files lie below the table's directory.

    Attributes:
        partition: The directory of each, ``""`` for the table's own; dictionary encoded.
        name: The name of each in that directory.
    """

    partition: pa.DictionaryArray
    name: pa.Array


def locate(paths: pa.Array, location: str) -> Located:
    """Split locations of data files into partitions and names.

    Args:
        paths: Canonical locations.
        location: The Hudi table's directory.

    Raises:
        UnsupportedTableFeature: A file lies outside the directory.
    """
    base = location.rstrip("/")
    inside = pc.starts_with(paths, base + "/")
    if not pc.all(inside).as_py():
        raise UnsupportedTableFeature(
            f"The data file '{paths.filter(pc.invert(inside))[0]}' lies outside '{base}': a Hudi table's files lie "
            "below its directory.",
            hint="Choose a target path that all data files lie below.",
        )
    below = pc.utf8_slice_codeunits(paths, len(base))
    halves = pc.split_pattern(below, "/", max_splits=1, reverse=True).flatten()
    even = np.arange(0, 2 * len(paths), 2)
    encoded = halves.take(pa.array(even)).dictionary_encode()
    directory = pc.utf8_slice_codeunits(encoded.dictionary, 1)
    return Located(pa.DictionaryArray.from_arrays(encoded.indices, directory), halves.take(pa.array(even + 1)))


class PartitionDirectories:
    """The directories of all partitions seen so far."""

    def __init__(self, columns: Sequence[PartitionColumn]) -> None:
        """Start with none; ``columns`` in the order of the directories' levels."""
        self._columns = tuple(columns)
        self._known: set[str] = set()
        self._forms = DirectoryForms()

    @property
    def forms(self) -> DirectoryForms:
        """The forms that all of them are in."""
        return self._forms

    def look_at(self, located: Located, batch: pa.RecordBatch) -> None:
        """Check the directories of one batch of files.

        Args:
            located: Where its files lie.
            batch: Of ``DataFile`` rows.

        Raises:
            UnsupportedTableFeature: Readers would give a file another value than the source does.
        """
        indices = located.partition.indices
        values = self._true_values(batch)
        chosen = pa.table({"directory": indices, **values}).group_by(["directory", *values]).aggregate([])
        directories = located.partition.dictionary.take(chosen["directory"].combine_chunks()).to_pylist()
        columns = [chosen[name].to_pylist() for name in values]
        seen: dict[str, tuple[Any, ...]] = {}
        for row, directory in enumerate(directories):
            true = tuple(column[row] for column in columns)
            if seen.setdefault(directory, true) != true:
                raise _mismatch(directory, "it has files of several partitions")
            if directory not in self._known:
                self._check(directory, true)
        self._known.update(directories)

    def _true_values(self, batch: pa.RecordBatch) -> Mapping[str, pa.Array]:
        partition = batch.column("partition")
        found: dict[str, pa.Array] = {}
        for place, column in enumerate(self._columns):
            members = [partition.field(partition.type.get_field_index(str(id_))) for id_ in column.members]
            found[f"c{place}"] = members[0] if len(members) == 1 else pc.coalesce(*members)
        return found

    def _check(self, directory: str, true: tuple[Any, ...]) -> None:
        levels = directory.split("/") if directory else []
        if len(levels) != len(self._columns):
            what = f"it has {len(levels)} levels, not {len(self._columns)} as the table has partition columns"
            raise _mismatch(directory, what)
        for level, column, value in zip(levels, self._columns, true, strict=True):
            name, equals, text = level.partition("=")
            if not equals:
                text = level
            elif name != column.name:
                raise _mismatch(directory, f"'{name}' is not the partition column '{column.name}'")
            seen = _seen(text, column)
            if seen != value or (isinstance(seen, bool) != isinstance(value, bool)):
                raise _mismatch(directory, f"the value of '{column.name}' is {value!r}, but reads as {seen!r}")
            self._forms = self._forms.after(text, value, hive_style=bool(equals))
            if not self._forms.is_possible:
                raise _mismatch(directory, "it is of another form than others, or escaped otherwise than Hudi does it")


def _mismatch(directory: str, what: str) -> UnsupportedTableFeature:
    return UnsupportedTableFeature(
        f"The directory '{directory}' is no partition as readers of Hudi take it: {what}.",
        hint="Hudi's readers take partition values from directories; rewrite the table in a layout of `name=value`.",
    )


def _seen(text: str, column: PartitionColumn) -> Any:
    """What a reader makes of the text of a level.

    Raises:
        UnsupportedTableFeature: It cannot be said for all readers.
    """
    if text == _NULL:
        return None
    match column.type:
        case PrimitiveType(kind) if kind in _READ:
            try:
                if text:
                    return _READ[kind](text)
            except ValueError:
                pass
        case DecimalType(scale=scale):
            try:
                number = Decimal(text)
                if f"{number:.{scale}f}" == text:
                    return number
            except (InvalidOperation, ValueError):
                pass
        case _:
            pass
    raise UnsupportedTableFeature(
        f"The table is partitioned by '{column.name}' of the type {type_name(column.type)}: readers of Hudi take its "
        f"values from directories, and '{text}' they do not all read as the value that is meant.",
        hint="Partition the table by another column, or by a column of another type.",
    )


def _integer(text: str) -> int:
    if _INTEGER.match(text) is None or str(int(text)) != text:
        raise ValueError(text)
    return int(text)


def _date(text: str) -> dt.date:
    if _DATE.match(text) is None:
        raise ValueError(text)
    return dt.date.fromisoformat(text)


def _boolean(text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text]


def _instant(text: str) -> dt.datetime:
    """Only with its zone: without one, a reader takes its session's."""
    plain = unescaped(text)
    if _ZONED.match(plain) is None:
        raise ValueError(text)
    return dt.datetime.fromisoformat(plain)


_FLAGS = {"true": True, "false": False}
_READ: Mapping[str, Callable[[str], Any]] = {
    "string": unescaped,
    "byte": _integer,
    "short": _integer,
    "int": _integer,
    "long": _integer,
    "date": _date,
    "boolean": _boolean,
    "timestamptz": _instant,
}
