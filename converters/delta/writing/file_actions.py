"""``add`` and ``remove`` actions of a batch of files, as lines of a commit and as columns of a checkpoint.

Delta protocol, "Add File and Remove File".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converters.delta.log.file_actions import VECTOR, VECTOR_TAG
from converters.delta.statistics.writer import Part, Statistics, joined
from converters.json_text import escaped, json_string

__all__ = ["ADD_TYPE", "REMOVE_TYPE", "Adds", "Removes", "one_entry_maps"]

_TEXTS = pa.map_(pa.string(), pa.string())

ADD_TYPE = pa.struct(
    [
        pa.field("path", pa.string()),
        pa.field("partitionValues", _TEXTS),
        pa.field("size", pa.int64()),
        pa.field("modificationTime", pa.int64()),
        pa.field("dataChange", pa.bool_()),
        pa.field("stats", pa.string()),
        pa.field("tags", _TEXTS),
        pa.field("deletionVector", VECTOR),
    ]
)
"""``add`` in a checkpoint."""

REMOVE_TYPE = pa.struct(
    [
        pa.field("path", pa.string()),
        pa.field("deletionTimestamp", pa.int64()),
        pa.field("dataChange", pa.bool_()),
        pa.field("extendedFileMetadata", pa.bool_()),
        pa.field("partitionValues", _TEXTS),
        pa.field("size", pa.int64()),
        pa.field("deletionVector", VECTOR),
    ]
)
"""``remove`` in a checkpoint."""


class Adds(msgspec.Struct, frozen=True):
    """Files to be listed, a row each.

    Attributes:
        path: As in the log.
        partition_values: Texts by the partition columns' names inside the files, in the table's order.
        size: Bytes.
        modified_at: Milliseconds since the epoch, never null.
        stats: Statistics.
        vector: Deletion vectors, as ``VECTOR``; null where a file has none.
        vector_tag: The source's ids of them.
    """

    path: pa.Array
    partition_values: Mapping[str, pa.Array]
    size: pa.Array
    modified_at: pa.Array
    stats: Statistics
    vector: pa.StructArray
    vector_tag: pa.Array

    def lines(self, wanted: pa.Array | None = None) -> memoryview:
        """The actions as lines of a commit; of the rows for which ``wanted`` is true, if it is given."""
        texts = joined(
            [
                '{"add":{"path":"',
                escaped(self.path),
                '","partitionValues":{',
                *_partition_parts(self.partition_values),
                '},"size":',
                self.size.cast(pa.string()),
                ',"modificationTime":',
                self.modified_at.cast(pa.string()),
                ',"dataChange":true,"stats":"',
                *self.stats.nested_parts(),
                '"',
                *self._vector_parts(),
                "}}\n",
            ],
            len(self.path),
        )
        return _bytes(texts if wanted is None else texts.filter(wanted))

    def _vector_parts(self) -> list[Part]:
        if self.vector.null_count == len(self.vector):
            return []
        tags = pc.binary_join_element_wise(f',"tags":{{{json_string(VECTOR_TAG)}:"', escaped(self.vector_tag), '"}', "")
        return [pc.fill_null(tags, ""), _vector_member(self.vector)]

    def checkpoint_column(self) -> pa.StructArray:
        """The actions as a checkpoint has them: ``dataChange`` is false there."""
        rows = len(self.path)
        return pa.StructArray.from_arrays(
            [
                self.path,
                _texts_map(self.partition_values, rows),
                self.size,
                self.modified_at,
                pa.repeat(pa.scalar(value=False), rows),
                self.stats.plain(),
                one_entry_maps(VECTOR_TAG, self.vector_tag),
                self.vector,
            ],
            fields=list(ADD_TYPE),
        )


class Removes(msgspec.Struct, frozen=True):
    """Files no longer listed, a row each.

    Attributes:
        path: Exactly as in the log.
        partition_values: A column of maps, as in the log; null where the log has none.
        size: Bytes.
        vector: Their deletion vectors, as in the log; null where a file has none.
        at: When, milliseconds since the epoch.
    """

    path: pa.Array
    partition_values: pa.Array
    size: pa.Array
    vector: pa.StructArray
    at: int

    def lines(self) -> memoryview:
        """The actions as lines of a commit."""
        values = pa.array(
            [msgspec.json.encode(dict(each or ())).decode() for each in self.partition_values.to_pylist()], pa.string()
        )
        texts = pc.binary_join_element_wise(
            '{"remove":{"path":"',
            escaped(self.path),
            f'","deletionTimestamp":{self.at},"dataChange":true,"extendedFileMetadata":true,"partitionValues":',
            values,
            ',"size":',
            self.size.cast(pa.string()),
            _vector_member(self.vector),
            "}}\n",
            "",
        )
        return _bytes(texts)

    def checkpoint_column(self) -> pa.StructArray:
        """The actions as a checkpoint has them."""
        rows = len(self.path)
        return pa.StructArray.from_arrays(
            [
                self.path,
                pa.repeat(pa.scalar(self.at), rows),
                pa.repeat(pa.scalar(value=False), rows),
                pa.repeat(pa.scalar(value=True), rows),
                self.partition_values.cast(_TEXTS),
                self.size,
                self.vector,
            ],
            fields=list(REMOVE_TYPE),
        )


def _partition_parts(partition_values: Mapping[str, pa.Array]) -> list[pa.Array | str]:
    parts: list[pa.Array | str] = []
    for number, (name, texts) in enumerate(partition_values.items()):
        parts.append(("," if number else "") + json_string(name) + ":")
        quoted = pc.binary_join_element_wise('"', escaped(texts), '"', "")
        parts.append(pc.fill_null(quoted, "null"))
    return parts


def _vector_member(vector: pa.StructArray) -> pa.Array:
    """The member ``deletionVector`` with a comma before it; empty where there is none."""
    if vector.null_count == len(vector):
        return pa.repeat(pa.scalar(""), len(vector))
    kind, place, offset, size, cardinality = (pc.struct_field(vector, field.name) for field in VECTOR)
    at = pc.fill_null(pc.binary_join_element_wise(',"offset":', offset.cast(pa.string()), ""), "")
    texts = pc.binary_join_element_wise(
        ',"deletionVector":{"storageType":"',
        escaped(kind),
        '","pathOrInlineDv":"',
        escaped(place),
        '"',
        at,
        ',"sizeInBytes":',
        size.cast(pa.string()),
        ',"cardinality":',
        cardinality.cast(pa.string()),
        "}",
        "",
    )
    return pc.fill_null(texts, "")


def one_entry_maps(key: str, values: pa.Array) -> pa.MapArray:
    """Maps of one key; null where the value is null."""
    if values.null_count == len(values):
        return pa.nulls(len(values), _TEXTS)
    present = np.asarray(values.is_valid())
    offsets = pa.array(np.concatenate([[0], np.cumsum(present)]).astype(np.int32), pa.int32())
    items = values.drop_null()
    keys = pa.repeat(pa.scalar(key), len(items))
    return pa.MapArray.from_arrays(offsets, keys, items, mask=pa.array(~present))


def _texts_map(partition_values: Mapping[str, pa.Array], rows: int) -> pa.MapArray:
    columns = list(partition_values.values())
    width = len(columns)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    if not width:
        return pa.MapArray.from_arrays(offsets, pa.array([], pa.string()), pa.array([], pa.string()))
    keys = pa.array(list(partition_values), pa.string()).take(pa.array(np.tile(np.arange(width), rows)))
    # Column after column becomes row after row.
    order = np.arange(rows * width).reshape(width, rows).T.ravel()
    items = pa.concat_arrays(columns).take(pa.array(order))
    return pa.MapArray.from_arrays(offsets, keys, items)


def _bytes(texts: pa.Array) -> memoryview:
    """All texts of a column, one after the other."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data)[bounds[0] : bounds[-1]]
