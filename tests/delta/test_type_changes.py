"""Columns that were of a narrower type once are known by that type, as files may still hold it."""

from __future__ import annotations

import json
from typing import Any

from converters.delta.schema.reader import read_schema
from converters.delta.schema.type_changes import promotions


def _field(name: str, type_: Any, *changes: dict[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_,
        "nullable": True,
        "metadata": {"delta.typeChanges": list(changes)} if changes else {},
    }


def _change(before: str, after: str, **more: str) -> dict[str, str]:
    return {"fromType": before, "toType": after, **more}


def test_the_first_type_of_each_widened_column_is_told() -> None:
    struct = {"type": "struct", "fields": [_field("x", "double", _change("float", "double"))]}
    array = {"type": "array", "elementType": "long", "containsNull": True}
    fields = [
        _field("a", "long", _change("short", "integer"), _change("integer", "long")),
        _field("b", struct),
        _field("c", array, _change("integer", "long", fieldPath="element")),
        _field("d", "long"),
    ]
    text = json.dumps({"type": "struct", "fields": fields})
    schema = read_schema(text)
    found = {schema.by_id[id_].dotted: former for id_, former in promotions(text, schema).items()}
    assert found == {"a": "short", "b.x": "float", "c.element": "int"}


def test_a_table_that_was_never_widened_has_none() -> None:
    text = json.dumps({"type": "struct", "fields": [_field("a", "long")]})
    assert promotions(text, read_schema(text)) == {}
