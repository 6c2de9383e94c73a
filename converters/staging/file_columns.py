"""Under which names and types live data files really hold a table's columns.

Readers of Delta and Hudi tables find columns by name: by the name in the schema or, under Delta's column mapping, by
one physical name a column.  (Mapping by id would suit Iceberg, but of Delta's readers only Spark honours it; DuckDB and
delta-rs go by the name.)  So where a table's history leaves open under which names its files have a column, the files
are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from converters.errors import UnsupportedTableFeature
from converters.model.schema import Schema
from converters.model.types import (
    DecimalType,
    Field,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
    type_name,
)

if TYPE_CHECKING:
    from converters.parquet.footers import Column, Footer

__all__ = ["FileColumns", "stored_columns"]

Path = tuple[str, ...]


class FileColumns(msgspec.Struct, frozen=True):
    """What the files say.

    Attributes:
        names: The one name of each column inside the files, by field id.
        absent: A file that lacks the column, for each column that a file lacks, by field id.
    """

    names: Mapping[int, str]
    absent: Mapping[int, str]


def stored_columns(
    schema: Schema,
    footers: Iterator[tuple[str, Footer]],
    *,
    by_name: bool,
    target: str,
    widens: Callable[[Type], bool] | None = None,
    known: Mapping[int, str] | None = None,
) -> FileColumns:
    """Find a table's columns in its files.

    Args:
        schema: The table's.
        footers: Every live file's location and footer.
        by_name: Whether files without field ids can be read by name.
        target: The format whose readers are meant, for messages: ``Delta``.
        widens: Whether those readers read a column of this type from files that hold it in a narrower one; None if they
            read none.
        known: Names that columns have in files that were asked before, by field id.

    Raises:
        UnsupportedTableFeature: Files hold a column under several names, or one column's name holds another column,
            or a column is stored in a narrower type than it has now, or a default stands for it.
    """
    census = _Census(by_name=by_name, target=target, widens=widens)
    census.names.update(known or {})
    seen: set[tuple[tuple[Path, Column], ...]] = set()
    for path, footer in footers:
        key = tuple(footer.columns.items())
        if key not in seen:
            seen.add(key)
            census.take(schema, path, footer)
    census.settle(schema.fields, ())
    return FileColumns(census.names, census.absent)


class _Census:
    """What was found in the files so far."""

    def __init__(self, *, by_name: bool, target: str, widens: Callable[[Type], bool] | None) -> None:
        self.names: dict[int, str] = {}
        self.absent: dict[int, str] = {}
        self._by_name = by_name
        self._target = target
        self._widens = widens
        self._others: dict[int, dict[str, str]] = {}

    def take(self, schema: Schema, path: str, footer: Footer) -> None:
        """Look at one more file."""
        if not footer.columns:
            return
        file = _File(path, footer)
        if not file.has_ids and not self._by_name:
            raise UnsupportedTableFeature(
                f"Columns were renamed, and the data file '{path}' has no field ids to tell which is which.",
                hint="Rewrite the table's data files.",
            )
        self._level(schema.fields, (), (), file)

    def _level(self, fields: tuple[Field, ...], path: Path, inside: Path, file: _File) -> None:
        members = file.members.get(inside, {})
        for field in fields:
            here = (*path, field.name)
            name = self._find(field, members, file)
            if name is None:
                self._lacks(field, here, members, file)
                continue
            known = self.names.setdefault(field.id, name)
            if known != name:
                raise UnsupportedTableFeature(
                    f"The column '{'.'.join(here)}' is called '{known}' in some data files and '{name}' in others, "
                    f"such as '{file.path}': {self._target} readers find columns by one name.",
                    hint="Rewrite the files from before the rename.",
                )
            others = [each for each in members if each != name and each.lower() == name.lower()]
            if others:
                raise self._ambiguous(here, others[0], file.path)
            self._inside(field.type, here, (*inside, name), file)

    def _find(self, field: Field, members: Mapping[str, Column], file: _File) -> str | None:
        if not file.has_ids:
            return field.stored_name if field.stored_name in members else None
        return next((name for name, column in members.items() if column.field_id == field.id), None)

    def _lacks(self, field: Field, path: Path, members: Mapping[str, Column], file: _File) -> None:
        if field.initial_default is not None:
            raise UnsupportedTableFeature(
                f"The column '{'.'.join(path)}' has an initial default, and the data file '{file.path}' lacks the "
                f"column: {self._target} readers would see null.",
                hint="Rewrite the files from before the column was added.",
            )
        self.absent.setdefault(field.id, file.path)
        others = self._others.setdefault(field.id, {})
        for name in members:
            others.setdefault(name.lower(), file.path)

    def _inside(self, type_: Type, path: Path, inside: Path, file: _File) -> None:
        match type_:
            case StructType(fields):
                self._level(fields, path, inside, file)
            case ListType(element=element):
                self._inside(element, (*path, "element"), (*inside, "element"), file)
            case MapType(key=key, value=value):
                self._inside(key, (*path, "key"), (*inside, "key"), file)
                self._inside(value, (*path, "value"), (*inside, "value"), file)
            case _:
                physical = file.physical_type(inside)
                if _is_narrower(physical, type_) and not (self._widens and self._widens(type_)):
                    raise UnsupportedTableFeature(
                        f"The column '{'.'.join(path)}' is a {type_name(type_)} now, but the data file '{file.path}' "
                        f"holds it in the narrower type that it had before ({physical}), which {self._target} readers "
                        "cannot read.",
                        hint="Rewrite the files from before the type was widened.",
                    )

    def settle(self, fields: tuple[Field, ...], path: Path) -> None:
        """Give each column a name under which no file has another column."""
        for field in fields:
            here = (*path, field.name)
            others = self._others.get(field.id, {})
            name = self.names.get(field.id)
            if name is None:
                name = field.name if field.name.lower() not in others else f"col-{field.id}"
            if name.lower() in others:
                raise self._ambiguous(here, name, others[name.lower()])
            self.names[field.id] = name
            self._settle_inside(field.type, here)

    def _settle_inside(self, type_: Type, path: Path) -> None:
        match type_:
            case StructType(fields):
                self.settle(fields, path)
            case ListType(element=element):
                self._settle_inside(element, (*path, "element"))
            case MapType(key=key, value=value):
                self._settle_inside(key, (*path, "key"))
                self._settle_inside(value, (*path, "value"))
            case _:
                return

    def _ambiguous(self, path: Path, name: str, file: str) -> UnsupportedTableFeature:
        return UnsupportedTableFeature(
            f"The data file '{file}' holds another column under the name '{name}', by which {self._target} readers "
            f"would look for the column '{'.'.join(path)}'.",
            hint="Rewrite the files from before the column was renamed or dropped.",
        )


class _File:
    """A file's schema, level by level."""

    def __init__(self, path: str, footer: Footer) -> None:
        self.path = path
        self.members: dict[Path, dict[str, Column]] = {}
        self._columns = footer.columns
        for place, column in footer.columns.items():
            self.members.setdefault(place[:-1], {})[place[-1]] = column
        self.has_ids = footer.field_ids != "none"

    def physical_type(self, place: Path) -> str | None:
        """The Parquet type of a leaf."""
        column = self._columns.get(place)
        return None if column is None else column.physical_type


def _is_narrower(physical: str | None, type_: Type) -> bool:
    match type_:
        case PrimitiveType("long" | "timestamp" | "timestamptz"):
            return physical == "INT32"
        case PrimitiveType("double"):
            return physical == "FLOAT"
        case DecimalType(precision):
            return (physical == "INT32" and precision > 9) or (physical == "INT64" and precision > 18)
        case _:
            return False
