"""What Avro schemas say about the bytes of records: names resolved, annotations kept only where values need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from converters.errors import CorruptTable, UnsupportedTableFeature

__all__ = ["Shape", "read_shape"]

Kind = Literal["null", "boolean", "long", "float", "double", "bytes", "fixed", "record", "union", "array", "map"]

_PRIMITIVES: dict[str, Kind] = {
    "null": "null",
    "boolean": "boolean",
    "int": "long",
    "long": "long",
    "float": "float",
    "double": "double",
    "bytes": "bytes",
    "string": "bytes",
}
_LARGEST = 4 * 2**20
_MOST_NODES = 5_000


class Shape(msgspec.Struct, frozen=True):
    """How values are written.

    Attributes:
        kind: How; an ``int`` or an ``enum`` is written as a ``long``, and a ``string`` as ``bytes``.
        name: The simple name of a record; of others, what the schema calls the type.
        size: Length of a ``fixed``.
        labels: Names of a record's fields.
        members: Types of a record's fields, a union's branches, or an array's or map's items.
        annotations: ``logicalType``, ``precision`` and ``scale``, where there are any.
        nodes: Number of types in it, each as often as it stands there.
    """

    kind: Kind
    name: str
    size: int = 0
    labels: tuple[str, ...] = ()
    members: tuple[Shape, ...] = ()
    annotations: Mapping[str, Any] = {}
    nodes: int = 1


def read_shape(schema: str, where: str) -> Shape:
    """Read a schema.

    Args:
        schema: Its JSON text.
        where: What it is the schema of, for messages.

    Raises:
        CorruptTable: It is no schema.
        UnsupportedTableFeature: It refers to itself, or is larger than any that Hudi writes.
    """
    if len(schema) > _LARGEST:
        raise UnsupportedTableFeature(f"{where} has a schema that is too large.")
    try:
        return _Reader(where).read(msgspec.json.decode(schema), "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise CorruptTable(f"{where} has a schema that cannot be read: {error}.") from error


class _Reader:
    """Reads one schema, remembering the types that it names."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._named: dict[str, Shape | None] = {}

    def read(self, schema: Any, namespace: str) -> Shape:
        match schema:
            case str():
                return self._by_name(schema, namespace)
            case list():
                return self._checked(
                    Shape("union", "union", members=tuple(self.read(each, namespace) for each in schema))
                )
            case {"type": "record" | "error", "name": str(), "fields": list()}:
                return self._record(schema, namespace)
            case {"type": "array" as kind, "items": items} | {"type": "map" as kind, "values": items}:
                return self._checked(Shape(kind, kind, members=(self.read(items, namespace),)))
            case {"type": "fixed", "name": str(name), "size": int(size)} if 0 < size <= _LARGEST:
                shape = Shape("fixed", "fixed", size=size, annotations=_annotations(schema))
                return self._remember(name, schema.get("namespace", namespace), shape)
            case {"type": "enum", "name": str(name)}:
                return self._remember(name, schema.get("namespace", namespace), Shape("long", "enum"))
            case {"type": str(name)} if name in _PRIMITIVES:
                return Shape(_PRIMITIVES[name], name, annotations=_annotations(schema))
            case {"type": (dict() | list() | str()) as inner}:
                return self.read(inner, namespace)
            case _:
                raise self._no_schema()

    def _record(self, schema: dict[str, Any], namespace: str) -> Shape:
        name, namespace = _full_name(schema["name"], schema.get("namespace", namespace))
        self._named[_joined(namespace, name)] = None
        labels: list[str] = []
        members: list[Shape] = []
        for field in schema["fields"]:
            if not isinstance(field, dict) or not isinstance(field.get("name"), str):
                raise self._no_schema()
            labels.append(field["name"])
            members.append(self.read(field.get("type"), namespace))
        return self._remember(name, namespace, Shape("record", name, labels=tuple(labels), members=tuple(members)))

    def _remember(self, name: str, namespace: Any, shape: Shape) -> Shape:
        shape = self._checked(shape)
        simple, space = _full_name(name, namespace)
        self._named[_joined(space, simple)] = shape
        return shape

    def _checked(self, shape: Shape) -> Shape:
        nodes = 1 + sum(member.nodes for member in shape.members)
        if nodes > _MOST_NODES:
            raise UnsupportedTableFeature(f"{self._where} has a schema that is too large.")
        return msgspec.structs.replace(shape, nodes=nodes)

    def _by_name(self, name: str, namespace: str) -> Shape:
        if name in _PRIMITIVES:
            return Shape(_PRIMITIVES[name], name)
        for full in (name, _joined(namespace, name)):
            if full in self._named:
                shape = self._named[full]
                if shape is None:
                    raise UnsupportedTableFeature(f"{self._where} has a schema that refers to itself ('{name[:64]}').")
                return shape
        raise self._no_schema()

    def _no_schema(self) -> CorruptTable:
        return CorruptTable(f"{self._where} has a schema that is no Avro schema.")


def _annotations(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("logicalType", "precision", "scale") if key in schema}


def _full_name(name: str, namespace: Any) -> tuple[str, str]:
    space, _, simple = name.rpartition(".")
    return simple, space or (namespace if isinstance(namespace, str) else "")


def _joined(namespace: str, name: str) -> str:
    return f"{namespace}.{name}" if namespace else name
