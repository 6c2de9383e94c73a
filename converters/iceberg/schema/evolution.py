"""The target's schema, with field ids that outlive a sync (Iceberg spec, "Schema Evolution", "Schemas").

A source with ids of its own (they are in its data files) dictates the ids.  One without has its ids made up on every
read, so the target remembers: a column keeps the id that its name had, as long as its type can still be read as
before; any other column gets an id that was never used.
"""

from __future__ import annotations

import msgspec

from converters.iceberg.metadata.structs import SchemaJson, TableMetadata
from converters.iceberg.schema.json_form import narrow_types, schema_from_json, schema_to_json
from converters.iceberg.schema.name_mapping import NAME_MAPPING_KEY, mapped_names, name_mapping_text, parse_name_mapping
from converters.iceberg.schema.stored_facts import has_own_ids
from converters.model.schema import Leaf, Schema
from converters.model.snapshot import Table
from converters.model.types import (
    PRIMITIVE_KINDS,
    DecimalType,
    Field,
    ListType,
    MapType,
    PrimitiveType,
    StructType,
    Type,
    is_nested,
)

__all__ = ["SchemaPlan", "can_identify", "can_promote", "plan_schema"]

_INT_KINDS = ("byte", "short", "int")


class SchemaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The target's next schema.

    Attributes:
        schema: The source's schema under the target's field ids.
        json: The same as Iceberg has it, with its schema id.
        ids: The target's field ids by the source's.
        schemas: All schemas of the table, with this one.
        last_column_id: The highest id ever used.
        retyped: A column's type is not what it was, so what is recorded of files must be written anew.
        restarted: An id means another column than before, so earlier snapshots cannot be read any more.
    """

    schema: Schema
    json: SchemaJson
    ids: dict[int, int]
    schemas: tuple[SchemaJson, ...]
    last_column_id: int
    retyped: bool = False
    restarted: bool = False


def plan_schema(table: Table, base: TableMetadata | None) -> SchemaPlan:
    """Say under which ids the source's columns go to the target.

    Args:
        table: The source.
        base: The target as it stands; None where there is none.
    """
    wanted = table.schema
    if not can_identify(wanted):
        wanted = msgspec.structs.replace(wanted, identifier_field_ids=())
    same_ids = {node.id: node.id for node in wanted.nodes}
    if base is None:
        return _started(wanted, same_ids, wanted.highest_id)
    before = schema_from_json(base.current_schema, narrow_types(base.properties))
    if has_own_ids(table):
        schema, ids = wanted, same_ids
        if _means_otherwise(schema, before, base):
            restarted = _started(schema, ids, max(base.last_column_id, schema.highest_id))
            return msgspec.structs.replace(restarted, retyped=True, restarted=True)
    else:
        schema, ids = _renumbered(wanted, before, base.last_column_id)
    schema, json, schemas = _numbered(schema, base)
    return SchemaPlan(
        schema=schema,
        json=json,
        ids=ids,
        schemas=schemas,
        last_column_id=max(base.last_column_id, schema.highest_id),
        retyped=any(
            node.id in before.by_id and _iceberg_type(before.by_id[node.id].type) != _iceberg_type(node.type)
            for node in schema.nodes
        ),
    )


def can_identify(schema: Schema) -> bool:
    """Whether the identifier fields are what Iceberg allows: never null, no floating numbers, in no list or map."""
    allowed = {leaf.field.id for leaf in schema.leaves if all(_is_required(schema, leaf.path, n) for n in _ends(leaf))}
    floating = {PRIMITIVE_KINDS["float"], PRIMITIVE_KINDS["double"]}
    return all(id_ in allowed and schema.by_id[id_].type not in floating for id_ in schema.identifier_field_ids)


def _ends(leaf: Leaf) -> range:
    return range(1, len(leaf.path) + 1)


def _is_required(schema: Schema, path: tuple[str, ...], length: int) -> bool:
    return schema.by_path[path[:length]].required


def can_promote(old: Type, new: Type) -> bool:
    """Whether values written as the old type can be read as the new one (spec, "Schema Evolution").

    Of nested types it is enough that they are of one kind: their members are compared one by one.
    """
    if is_nested(old) or is_nested(new):
        return type(old) is type(new)
    match old, new:
        case PrimitiveType(), PrimitiveType():
            before, after = _iceberg_type(old), _iceberg_type(new)
            return before == after or (before, after) in {("int", "long"), ("float", "double")}
        case DecimalType(before, scale), DecimalType(after, other_scale):
            return scale == other_scale and before <= after
        case _:
            return old == new


def _iceberg_type(type_: Type) -> object:
    """What Iceberg sees of a type itself, its members aside."""
    if is_nested(type_):
        return type(type_)
    if isinstance(type_, PrimitiveType):
        return "int" if type_.kind in _INT_KINDS else type_.kind
    return type_


def _started(schema: Schema, ids: dict[int, int], last_column_id: int) -> SchemaPlan:
    first = msgspec.structs.replace(schema, schema_id=0)
    json = schema_to_json(first)
    return SchemaPlan(schema=first, json=json, ids=ids, schemas=(json,), last_column_id=last_column_id)


def _means_otherwise(schema: Schema, before: Schema, base: TableMetadata) -> bool:
    """Whether an id was another column: of a type that cannot become this one, or under another name in the files."""
    if any(node.id in before.by_id and not can_promote(before.by_id[node.id].type, node.type) for node in schema.nodes):
        return True
    known = base.properties.get(NAME_MAPPING_KEY)
    if known is None:
        return False
    stored: dict[int, set[str]] = {}
    for path, id_ in mapped_names(parse_name_mapping(known)):
        stored.setdefault(id_, set()).add(path[-1])
    wanted = mapped_names(parse_name_mapping(name_mapping_text(schema)))
    return any(id_ in stored and path[-1] not in stored[id_] for path, id_ in wanted)


def _renumbered(schema: Schema, before: Schema, last_column_id: int) -> tuple[Schema, dict[int, int]]:
    """Give each column the id that its path of names has, and new ids to new columns."""
    ids: dict[int, int] = {}
    following = last_column_id + 1
    for node in schema.nodes:
        old = before.by_path.get(node.path)
        # A member of something that is new is new as well, whatever it is called.
        parent = schema.by_path.get(node.path[:-1])
        kept_parent = parent is None or (parent.id in ids and ids[parent.id] <= last_column_id)
        if old is not None and kept_parent and can_promote(old.type, node.type):
            ids[node.id] = old.id
        else:
            ids[node.id] = following
            following += 1
    renumbered = Schema(
        tuple(_field(field, ids) for field in schema.fields),
        identifier_field_ids=tuple(ids[id_] for id_ in schema.identifier_field_ids),
    )
    return renumbered, ids


def _field(field: Field, ids: dict[int, int]) -> Field:
    return msgspec.structs.replace(field, id=ids[field.id], type=_type(field.type, ids))


def _type(type_: Type, ids: dict[int, int]) -> Type:
    match type_:
        case StructType(fields):
            return StructType(tuple(_field(field, ids) for field in fields))
        case ListType(element_id, element, required):
            return ListType(ids[element_id], _type(element, ids), required)
        case MapType(key_id, key, value_id, value, required):
            return MapType(ids[key_id], _type(key, ids), ids[value_id], _type(value, ids), required)
        case _:
            return type_


def _numbered(schema: Schema, base: TableMetadata) -> tuple[Schema, SchemaJson, tuple[SchemaJson, ...]]:
    """Give the schema the id of an equal one that the table has, or the next one."""
    for known in base.schemas:
        same = msgspec.structs.replace(schema, schema_id=known.schema_id or 0)
        if schema_to_json(same) == known:
            return same, known, base.schemas
    following = msgspec.structs.replace(schema, schema_id=max(known.schema_id or 0 for known in base.schemas) + 1)
    json = schema_to_json(following)
    return following, json, (*base.schemas, json)
