"""Which columns of a Delta table were of a narrower type once (Delta protocol, "Type Widening")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from converters.model.schema import Schema

__all__ = ["promotions"]

_TYPE_CHANGES = "delta.typeChanges"

Path = tuple[str, ...]


def promotions(schema_string: str, schema: Schema) -> dict[int, str]:
    """The first type of each column whose type was widened, by field id; see ``Table.promotions``.

    Args:
        schema_string: ``metaData.schemaString``, which ``read_schema`` has understood.
        schema: What it is.
    """
    if _TYPE_CHANGES not in schema_string:
        return {}
    ids = {node.path: node.id for node in schema.nodes}
    found: dict[int, str] = {}
    for path, former in _changes(msgspec.json.decode(schema_string), ()):
        if path in ids:
            found.setdefault(ids[path], "int" if former == "integer" else former)
    return found


def _changes(type_: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield each column that was changed and what it was before, the first change first."""
    if not isinstance(type_, dict):
        return
    for field in type_.get("fields", ()):
        here = (*path, field["name"])
        for change in field.get("metadata", {}).get(_TYPE_CHANGES, ()):
            below = change.get("fieldPath", "")
            yield (*here, *(below.split(".") if below else ())), str(change.get("fromType"))
        yield from _changes(field["type"], here)
    for member, name in (("elementType", "element"), ("keyType", "key"), ("valueType", "value")):
        yield from _changes(type_.get(member), (*path, name))
