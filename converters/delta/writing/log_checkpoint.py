"""Writing a checkpoint of what the log says already."""

from __future__ import annotations

import contextlib
import time

import msgspec
import numpy as np
import pyarrow as pa

from converters.delta.log.file_actions import VECTOR_TAG
from converters.delta.writing.base import Base
from converters.delta.writing.checkpoint import CheckpointWriter
from converters.delta.writing.file_actions import ADD_TYPE, one_entry_maps
from converters.delta.writing.tombstones import Tombstones
from converters.errors import TablecastError
from converters.staging import no_room
from converters.storage.base import Storage

__all__ = ["write_checkpoint"]


def write_checkpoint(storage: Storage, table: Base) -> None:
    """Write a classic checkpoint of a table's newest version; without one where it cannot be.

    Nothing depends on it: what fails, or what some other writer's log does not tell, is left to the next time.
    """
    with contextlib.suppress(TablecastError, OSError):
        tombstones = Tombstones(storage, table, time.time_ns() // 1_000_000)
        with no_room(), CheckpointWriter(table.version, tombstones) as checkpoint:
            state = table.small_actions()
            checkpoint.actions(state.protocol, msgspec.to_builtins(state.metadata), state)
            for files in table.files():
                if "stats" not in files.column_names or "stats_parsed" in files.column_names:
                    return
                checkpoint.adds(_adds(files))
            checkpoint.commit(storage, table.log_directory)


def _adds(files: pa.Table) -> pa.StructArray:
    columns = {name: files[column].combine_chunks() for name, column in _COLUMNS.items()}
    columns["dataChange"] = pa.array(np.zeros(len(files), dtype=np.bool_))
    columns["tags"] = one_entry_maps(VECTOR_TAG, files["vector_tag"].combine_chunks())
    ordered = [columns[field.name].cast(field.type) for field in ADD_TYPE]
    return pa.StructArray.from_arrays(ordered, fields=list(ADD_TYPE))


_COLUMNS = {
    "path": "log_path",
    "partitionValues": "partition_values",
    "size": "size",
    "modificationTime": "modified_at",
    "stats": "stats",
    "deletionVector": "vector",
}
