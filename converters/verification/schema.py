"""Comparing schemas: columns by name, their types, whether they may be null, their field ids and their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from converters.model.schema import Node, Schema
from converters.model.snapshot import Table
from converters.model.types import FixedType, PrimitiveType, Type, is_nested, type_name
from converters.verification.report import Check
from converters.verification.tally import MOST_EXAMPLES

__all__ = ["schema_check"]

_CARRIED_AS: Mapping[str, set[str]] = {"byte": {"int"}, "short": {"int"}, "uuid": {"binary"}}
"""Types that a format lacks, and what their values are then read as."""


def schema_check(source: Table, target: Table) -> Check:
    """Compare the schema of a target with the source's."""
    has_ids = _has_own_ids(source) and _has_own_ids(target)
    wrong = list(_differences(source.schema, target.schema, with_ids=has_ids))
    count = len(source.schema.nodes)
    if wrong:
        detail = f"{len(wrong):,} differences in {count:,} columns and members"
        return Check(name="schema", result="differs", detail=detail, examples=tuple(wrong[:MOST_EXAMPLES]))
    names = "names, types and field ids" if has_ids else "names and types"
    asides = [] if has_ids else ["field ids are not kept in both tables"]
    loosened = sum(
        node.required and not target.schema.by_path[node.path].required
        for node in source.schema.nodes
        if node.path in target.schema.by_path
    )
    if loosened:
        asides.append(f"{loosened:,} may be null in the target and may not in the source")
    generated = [field.name for field in target.schema.fields if source.schema.field(field.name) is None]
    if generated:
        asides.append(f"the target generates {', '.join(generated)}")
    return Check(name="schema", result="ok", detail="; ".join([f"{names} of {count:,} columns and members", *asides]))


def _differences(source: Schema, target: Schema, *, with_ids: bool) -> Iterator[str]:
    for node in source.nodes:
        found = target.by_path.get(node.path)
        if found is None:
            if len(node.path) == 1 or node.path[:-1] in target.by_path:
                yield f"{node.dotted}: the target lacks it"
            continue
        yield from _node_differences(node, found, with_ids=with_ids)
    for node in target.nodes:
        if node.path not in source.by_path and (len(node.path) == 1 or node.path[:-1] in source.by_path):
            field = target.field(node.path[0]) if len(node.path) == 1 else None
            if field is None or field.generation_sql is None:
                yield f"{node.dotted}: the source has no such column"
    ours = [node.path for node in source.nodes if node.path in target.by_path]
    theirs = [node.path for node in target.nodes if node.path in source.by_path]
    if ours != theirs:
        first = next(ours[place] for place in range(len(ours)) if ours[place] != theirs[place])
        yield f"{'.'.join(first)}: the columns are in another order"


def _node_differences(ours: Node, theirs: Node, *, with_ids: bool) -> Iterator[str]:
    if not _says(ours.type, theirs.type):
        yield f"{ours.dotted}: {type_name(ours.type)} in the source, {type_name(theirs.type)} in the target"
    if theirs.required and not ours.required:
        yield f"{ours.dotted}: may be null in the source, but not in the target"
    if with_ids and ours.id != theirs.id:
        yield f"{ours.dotted}: field id {ours.id} in the source, {theirs.id} in the target"


def _says(ours: Type, theirs: Type) -> bool:
    """Whether a type says the other; members of nested ones are compared on their own."""
    if is_nested(ours) or is_nested(theirs):
        return type(ours) is type(theirs)
    if isinstance(ours, FixedType):
        return ours == theirs or theirs == PrimitiveType("binary")
    if isinstance(ours, PrimitiveType) and isinstance(theirs, PrimitiveType):
        return ours == theirs or theirs.kind in _CARRIED_AS.get(ours.kind, ())
    return ours == theirs


def _has_own_ids(table: Table) -> bool:
    """Whether the ids are the table's, not made up when it is read."""
    mapped = table.properties.get("delta.columnMapping.mode", "none").lower() in {"id", "name"}
    return table.format == "ICEBERG" or mapped or table.field_ids == "all"
