"""A few actions are read as many are, and what is unusual is left to the reader of many."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.delta.log import few_actions
from converters.delta.log.commits import Lines
from converters.delta.log.file_actions import file_actions
from tests.delta.logs import add, metadata, protocol, remove
from tests.delta.test_deletion_vectors import inline, relative

VECTORS = st.sampled_from([None, relative([1]), relative([1], None, "ab"), inline([3]), {}])
TEXTS = st.dictionaries(st.text(max_size=3), st.none() | st.text(max_size=5), max_size=2)
ADDS = st.builds(
    lambda path, vector, values, tags, rows: add(
        path or "x", rows, deletionVector=vector, partitionValues=values, tags=tags
    ),
    st.text(max_size=8),
    VECTORS,
    st.none() | TEXTS,
    st.none() | TEXTS | st.just({"TABLECAST_DELETION_VECTOR": "t"}),
    st.none() | st.integers(0, 2**40),
)
REMOVES = st.builds(lambda path, vector: remove(path or "x", deletionVector=vector), st.text(max_size=8), VECTORS)
ODD: list[Any] = [
    protocol(),
    metadata(),
    {"add": None, "remove": None},
    {"commitInfo": {"add": 1}},
    {"add": {"path": "a", "size": "12", "modificationTime": 1}},
    {"add": {"path": "a", "size": 5, "partitionValues": {"p": 1}}},
    {"add": {"path": "a", "size": 5, "stats": '{"numRecords":1}'}, "remove": {"path": "b"}},
]


def _lines(actions: list[Any]) -> Lines:
    return Lines("".join(json.dumps(each) + "\n" for each in actions).encode(), ((0, "file:///x.json"),))


@given(st.lists(ADDS | REMOVES | st.sampled_from(ODD), max_size=8), st.booleans())
@settings(deadline=None, max_examples=60)
def test_few_and_many_actions_are_read_alike(actions: list[Any], content: bool) -> None:
    few = file_actions(_lines(actions), content=content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_actions, "_MOST_BYTES", -1)
        many = file_actions(_lines(actions), content=content)
    assert few.schema == many.schema
    assert few.to_pylist() == many.to_pylist()


def test_usual_actions_are_read_as_a_few() -> None:
    lines = _lines(
        [protocol(), add("a", deletionVector=inline([1])), remove("b"), add("c", partitionValues={"p": None})]
    )
    add_type = pa.struct([("path", pa.string()), ("size", pa.int64())])
    found = few_actions.few_actions(lines, add_type, pa.struct([("path", pa.string())]))
    assert found is not None
    assert [each and each["path"] for each in found[0].to_pylist()] == ["a", None, "c"]
    assert [each and each["path"] for each in found[1].to_pylist()] == [None, "b", None]
