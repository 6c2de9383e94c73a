"""Whatever stands in a schema, in properties or in a commit, what is raised names it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from converters.errors import TablecastError
from converters.hudi.schema.internal_schema import read_schema_versions
from converters.hudi.schema.reader import parse_schema
from converters.hudi.table_config import read_table_config
from converters.hudi.timeline.active import Instant, Timeline
from converters.hudi.timeline.commit_metadata import parse_commit
from converters.storage import ObjectStorage
from tests.hudi_timeline.made import commit_json

_Result = TypeVar("_Result")
_WORDS = st.sampled_from(
    [
        *("record", "array", "map", "fixed", "enum", "null", "int", "long", "string", "bytes", "r", "hoodie.r", ""),
        *("decimal", "uuid", "timestamp-millis", "date", "duration", "a", "b"),
    ]
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 40) | _WORDS | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "name", "namespace", "fields", "items", "values", "size", "symbols", "logicalType"),
                    *("precision", "scale", "default", "doc", "id", "element", "element-id", "key", "key-id", "value"),
                    *("value-id", "version_id", "hudi_id_tracking", "idMappings", "lastIdUsed"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def _fields(types: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.fixed_dictionaries({"name": _WORDS, "type": types, "id": st.integers(-1, 9)}), max_size=4)


def _outcome(call: Callable[[], _Result]) -> tuple[_Result | None, str]:
    """What came of it, or what the error said."""
    try:
        return call(), ""
    except TablecastError as error:
        return None, error.message


@given(_VALUES | _fields(_VALUES), st.booleans(), st.none() | _VALUES)
def test_any_schema_is_read_or_refused(fields: Any, keep: bool, tracking: Any) -> None:
    tracked = {} if tracking is None else {"hudi_id_tracking": tracking}
    text = json.dumps({"type": "record", "name": "r", "fields": fields, **tracked})
    for each in (text, json.dumps(fields)):
        read, told = _outcome(partial(parse_schema, each, keep_meta_columns=keep))
        if read is None:
            assert told
        else:
            assert len(read.schema.by_id) == len(read.schema.nodes), "ids are unique"


@given(_VALUES | _fields(_VALUES))
def test_any_internal_schema_is_read_or_corrupt(fields: Any) -> None:
    instant = Instant("20240101000000000", "commit", "completed", None, "file:///x/1.commit", 0)
    for latest in ({"type": "record", "fields": fields, "version_id": 1}, fields):
        newest = parse_commit(commit_json(extraMetadata={"latest_schema": json.dumps(latest)}), instant)
        timeline = Timeline((instant,))
        versions, told = _outcome(partial(read_schema_versions, ObjectStorage(), "memory:///x", timeline, newest))
        if versions is None:
            assert "1.commit" in told
        else:
            versions.names_are_stable()
            versions.field_ids(keep_meta_columns=False)


@given(
    st.binary(max_size=60), st.sampled_from([b"", b"hoodie.table.name=t\n", b"hoodie.table.version=6\n"]), st.binary()
)
def test_any_properties_are_read_or_refused(first: bytes, middle: bytes, last: bytes) -> None:
    storage = ObjectStorage()
    location = f"memory:///{uuid.uuid4()}"
    storage.put_if_absent(f"{location}/.hoodie/hoodie.properties", first + b"\n" + middle + last)
    config, told = _outcome(partial(read_table_config, storage, location))
    assert location in told if config is None else config.version in {5, 6, 8, 9}
