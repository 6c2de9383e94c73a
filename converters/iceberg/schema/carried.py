"""What Iceberg can carry, and what it cannot: decided from the snapshot alone, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from converters.errors import UnsupportedTableFeature
from converters.iceberg.schema.evolution import can_identify
from converters.iceberg.schema.stored_facts import has_ids_everywhere, has_own_ids
from converters.model.schema import Schema
from converters.model.snapshot import Table
from converters.model.types import Field, ListType, MapType, PrimitiveType, StructType, Type, type_name

__all__ = ["check_table", "may_delete_rows", "why_version_3"]

_NEWER_KINDS = {"timestamp_ns", "timestamptz_ns"}
_DELETING_FEATURES = {"deletionVectors", "deletes"}


def check_table(table: Table, format_version: int) -> list[str]:
    """Refuse what an Iceberg table of this format version cannot say.

    Returns:
        Notes for people on what is left out although the rows are right.

    Raises:
        UnsupportedTableFeature: Names the feature and the column.
    """
    _check_names(table.schema)
    _check_partitioning(table)
    _check_ids(table)
    _check_lists(table)
    notes: list[str] = []
    if table.schema.identifier_field_ids and not can_identify(table.schema):
        notes.append("The columns that identify a row are not kept: Iceberg wants them never null.")
    for path, field in _fields(table.schema.fields, ()):
        notes += _notes_on(".".join(path), field)
    needed = why_version_3(table)
    if needed is not None and format_version < 3:
        raise UnsupportedTableFeature(
            f"{needed}, which Iceberg has from format version 3.", hint="Leave out iceberg.target.format-version."
        )
    return notes


def why_version_3(table: Table) -> str | None:
    """What a table has that needs format version 3, as the beginning of a sentence; None where nothing does."""
    for path, field in _fields(table.schema.fields, ()):
        if field.initial_default is not None or field.write_default is not None:
            return f"The column '{'.'.join(path)}' has a default value"
    for node in table.schema.nodes:
        if isinstance(node.type, PrimitiveType) and node.type.kind in _NEWER_KINDS:
            return f"The column '{node.dotted}' is a {type_name(node.type)}"
    return None


def may_delete_rows(table: Table) -> bool:
    """Whether files of the table may have deletion vectors."""
    return not _DELETING_FEATURES.isdisjoint(table.feature_names)


def _fields(fields: tuple[Field, ...], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    for field in fields:
        here = (*path, field.name)
        yield here, field
        yield from _members(field.type, here)


def _members(type_: Type, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Field]]:
    match type_:
        case StructType(fields):
            yield from _fields(fields, path)
        case ListType(element=element):
            yield from _members(element, (*path, "element"))
        case MapType(key=key, value=value):
            yield from _members(key, (*path, "key"))
            yield from _members(value, (*path, "value"))
        case _:
            return


def _notes_on(name: str, field: Field) -> list[str]:
    notes: list[str] = []
    if field.default_sql is not None:
        notes.append(f"The default expression of the column '{name}' is not kept.")
    if field.generation_sql is not None:
        notes.append(f"The generation expression of the column '{name}' is not kept; its values are.")
    return notes


def _check_names(schema: Schema) -> None:
    """Java joins names by dots and refuses a schema in which two columns are called the same then."""
    seen: set[str] = set()
    for node in schema.nodes:
        if node.dotted in seen:
            raise UnsupportedTableFeature(
                f"Two columns are called '{node.dotted}' when their names are joined by dots, which Iceberg forbids.",
                hint="Rename one of them.",
            )
        seen.add(node.dotted)


def _check_partitioning(table: Table) -> None:
    for spec in table.specs:
        for field in spec.fields:
            if field.source_id not in table.schema.by_id:
                raise UnsupportedTableFeature(
                    f"The partition field '{field.name}' of spec {spec.spec_id} is derived from a column that the "
                    "table no longer has."
                )


def _check_lists(table: Table) -> None:
    for id_, path in table.two_level_lists.items():
        raise UnsupportedTableFeature(
            f"The column '{table.schema.by_id[id_].dotted}' has lists that the data file '{path}' holds in Parquet's "
            "old two-level form, which Iceberg's Java readers cannot read.",
            hint="Have the files rewritten with parquet.avro.write-old-list-structure=false.",
        )


def _check_ids(table: Table) -> None:
    if has_ids_everywhere(table):
        return
    if not table.names_are_stable:
        raise UnsupportedTableFeature(
            "Columns were renamed, and the data files carry no field ids, so that Iceberg cannot tell which is which.",
            hint="Rewrite the table's data files.",
        )
    if not has_own_ids(table):
        return
    for node in table.schema.nodes:
        if isinstance(node.type, ListType | MapType):
            raise UnsupportedTableFeature(
                f"The column '{node.dotted}' is a {type_name(node.type)} in a table with column mapping, whose data "
                "files have ids for columns but not for list and map members: Iceberg readers would not find these.",
                hint="Have them written: REORG TABLE … APPLY (UPGRADE UNIFORM (ICEBERG_COMPAT_VERSION = 2)).",
            )
