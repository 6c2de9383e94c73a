"""Writing classic checkpoints (Delta protocol, "Checkpoints"): one Parquet file, and ``_last_checkpoint`` beside it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from converters.delta.log.state import Protocol, TableState
from converters.delta.writing.file_actions import ADD_TYPE, REMOVE_TYPE
from converters.delta.writing.protocol import protocol_json
from converters.delta.writing.tombstones import Tombstones
from converters.storage.base import Storage
from converters.storage.location import join

__all__ = ["CheckpointWriter"]

_ROW_GROUP = 50_000
_TEXTS = pa.map_(pa.string(), pa.string())
_SCHEMA = pa.schema(
    [
        pa.field("txn", pa.struct([("appId", pa.string()), ("version", pa.int64()), ("lastUpdated", pa.int64())])),
        pa.field("add", ADD_TYPE),
        pa.field("remove", REMOVE_TYPE),
        pa.field(
            "metaData",
            pa.struct(
                [
                    ("id", pa.string()),
                    ("name", pa.string()),
                    ("description", pa.string()),
                    ("format", pa.struct([("provider", pa.string()), ("options", _TEXTS)])),
                    ("schemaString", pa.string()),
                    ("partitionColumns", pa.list_(pa.string())),
                    ("createdTime", pa.int64()),
                    ("configuration", _TEXTS),
                ]
            ),
        ),
        pa.field(
            "protocol",
            pa.struct(
                [
                    ("minReaderVersion", pa.int32()),
                    ("minWriterVersion", pa.int32()),
                    ("readerFeatures", pa.list_(pa.string())),
                    ("writerFeatures", pa.list_(pa.string())),
                ]
            ),
        ),
        pa.field(
            "domainMetadata",
            pa.struct([("domain", pa.string()), ("configuration", pa.string()), ("removed", pa.bool_())]),
        ),
    ]
)


class CheckpointWriter:
    """Collects a checkpoint in a temporary file; a context manager that deletes the file."""

    def __init__(self, version: int, tombstones: Tombstones | None = None) -> None:
        """Begin the checkpoint of a version; of the tombstones it takes those that stay."""
        self._version = version
        self._tombstones = tombstones
        self._file = tempfile.NamedTemporaryFile(prefix="tablecast-", suffix=".parquet")  # noqa: SIM115 - __exit__
        # A spilt string column of its own dictionary would only cost time: paths and statistics do not repeat.
        self._writer = pq.ParquetWriter(self._file.name, _SCHEMA, compression="zstd", use_dictionary=False)
        self._rows = 0
        self._adds = 0
        self._pending: list[pa.StructArray] = []
        self._pending_rows = 0

    def __enter__(self) -> Self:
        """Nothing more than ``self``."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete the temporary file."""
        with contextlib.suppress(pa.ArrowException, OSError):
            self._writer.close()
        self._file.close()

    def actions(self, protocol: Protocol, metadata: Mapping[str, Any], known: TableState | None) -> None:
        """Add the actions that are not about files.

        Args:
            protocol: The table's.
            metadata: The content of its ``metaData``.
            known: What has its transactions and domains.
        """
        configuration = list((metadata["configuration"] or {}).items())
        formatted = {"format": {"provider": "parquet", "options": []}, "configuration": configuration}
        rows: list[dict[str, Any]] = [{"protocol": protocol_json(protocol)}, {"metaData": {**metadata, **formatted}}]
        if known is not None:
            rows += [{"txn": msgspec.to_builtins(each)} for each in known.transactions.values()]
            rows += [{"domainMetadata": msgspec.to_builtins(each)} for each in known.domains.values()]
        self._write(pa.Table.from_pylist(rows, _SCHEMA))

    def adds(self, adds: pa.StructArray) -> None:
        """Add live files, as ``ADD_TYPE``."""
        self._forget(adds)
        self._adds += len(adds)
        self._pending.append(adds)
        self._pending_rows += len(adds)
        if self._pending_rows >= _ROW_GROUP:
            self._flush()

    def removes(self, removes: pa.StructArray) -> None:
        """Add files that were removed, as ``REMOVE_TYPE``."""
        self._forget(removes)
        self._column("remove", removes)

    def _forget(self, files: pa.StructArray) -> None:
        if self._tombstones is not None:
            self._tombstones.forget(pc.struct_field(files, "path"), pc.struct_field(files, "deletionVector"))

    def commit(self, storage: Storage, log_directory: str) -> None:
        """Put the checkpoint into the log, then tell readers of it.

        Raises:
            StorageError: The storage failed; readers go on without the checkpoint.
        """
        self._flush()
        if self._tombstones is not None:
            self._column("remove", self._tombstones.column())
        self._writer.close()
        self._file.seek(0)
        storage.put(join(log_directory, f"{self._version:020d}.checkpoint.parquet"), self._file)
        size = self._file.seek(0, 2)
        hint = {"version": self._version, "size": self._rows, "sizeInBytes": size, "numOfAddFiles": self._adds}
        storage.put(join(log_directory, "_last_checkpoint"), msgspec.json.encode(hint))

    def _flush(self) -> None:
        if self._pending:
            self._column("add", pa.chunked_array(self._pending))
            self._pending.clear()
            self._pending_rows = 0

    def _column(self, kind: str, values: pa.StructArray | pa.ChunkedArray) -> None:
        if not len(values):
            return
        columns = [values if field.name == kind else pa.nulls(len(values), field.type) for field in _SCHEMA]
        self._write(pa.table(columns, schema=_SCHEMA))

    def _write(self, rows: pa.Table) -> None:
        self._rows += len(rows)
        self._writer.write_table(rows)
