"""The actions of a commit that are about the table: ``commitInfo``, ``protocol`` and ``metaData``."""

from __future__ import annotations

import time
import uuid
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from converters.delta.log.protocol import mapping_mode
from converters.delta.log.state import Protocol
from converters.delta.schema.reader import read_schema
from converters.delta.writing.base import Base
from converters.delta.writing.layout import MAPPING_KEYS, Layout
from converters.delta.writing.protocol import needed_protocol, protocol_json, supports
from converters.errors import CorruptTable, UnsupportedTableFeature
from converters.model.snapshot import Snapshot
from converters.model.types import all_fields
from converters.sync.state import SOURCE_KEY, XTABLE_KEY, SyncState

__all__ = ["TableActions"]

_OWN_KEYS = (XTABLE_KEY, SOURCE_KEY, *MAPPING_KEYS)


class TableActions:
    """What a commit says of the table, given what the base has."""

    def __init__(self, snapshot: Snapshot, layout: Layout, state: SyncState, base: Base | None) -> None:
        """Decide; nothing is read but the base's newest ``commitInfo``, where commits have to be in order of time."""
        self.now = time.time_ns() // 1_000_000
        self.transaction = str(uuid.uuid4())
        self._snapshot = snapshot
        self._state = state.properties()
        self._base = base
        present = base.state.protocol if base is not None else None
        self.protocol: Protocol = needed_protocol(layout.features, present)
        self.metadata = self._metadata(layout)

    @property
    def version(self) -> int:
        """The version that the commit makes."""
        return 0 if self._base is None else self._base.version + 1

    @property
    def allows_checkpoint(self) -> bool:
        """Whether a classic checkpoint may be written: not where the table asks for those of version 2."""
        return not supports(self.protocol, "v2Checkpoint")

    def lines(self, files_added: int, files_removed: int) -> bytes:
        """The actions as lines of a commit, those left out that would repeat what the base has."""
        actions: list[dict[str, Any]] = [{"commitInfo": self._commit_info(files_added, files_removed)}]
        if self._base is None or self.protocol != self._base.state.protocol:
            actions.append({"protocol": protocol_json(self.protocol)})
        if self._base is None or self.metadata != _metadata_json(self._base):
            actions.append({"metaData": self.metadata})
        return b"".join(msgspec.json.encode(each) + b"\n" for each in actions)

    def _commit_info(self, files_added: int, files_removed: int) -> dict[str, Any]:
        info: dict[str, Any] = {}
        if self._needs_own_time():
            assert self._base is not None
            info["inCommitTimestamp"] = max(self.now, (self._base.last_commit_time() or 0) + 1)
        info |= {
            "timestamp": self.now,
            "operation": "WRITE",
            "operationParameters": {"mode": "Overwrite", "source": self._snapshot.table.format},
            "isolationLevel": "Serializable",
            "isBlindAppend": False,
            "operationMetrics": {"numAddedFiles": str(files_added), "numRemovedFiles": str(files_removed)},
            "tags": {XTABLE_KEY: self._state[XTABLE_KEY]},
            "engineInfo": f"Tablecast/{_own_version()}",
            "txnId": self.transaction,
        }
        if self._base is not None:
            info["readVersion"] = self._base.version
        return info

    def _needs_own_time(self) -> bool:
        """Whether the table has in-commit timestamps (Delta protocol, "In-Commit Timestamps")."""
        if self._base is None or not supports(self._base.state.protocol, "inCommitTimestamp"):
            return False
        return self._base.state.metadata.properties.get("delta.enableInCommitTimestamps", "").lower() == "true"

    def _metadata(self, layout: Layout) -> dict[str, Any]:
        table = self._snapshot.table
        present = self._base.state.metadata if self._base is not None else None
        foreign = present.properties if present is not None else {}
        kept = {key: value for key, value in foreign.items() if key not in _OWN_KEYS}
        created = present.created_time if present is not None else None
        found: dict[str, Any] = {"id": present.id if present is not None else str(uuid.uuid4())}
        if table.name is not None:
            found["name"] = table.name
        description = table.description
        if description is None and present is not None:
            description = present.description
        if description is not None:
            found["description"] = description
        return found | {
            "format": {"provider": "parquet", "options": {}},
            "schemaString": layout.schema_string,
            "partitionColumns": [each.column.name for each in layout.partitions],
            "configuration": kept | layout.configuration(foreign) | self._state,
            "createdTime": created if created is not None else self.now,
        }

    def must_rewrite_all(self, layout: Layout) -> bool:
        """Whether files have to be listed anew although nothing about them changed.

        So it is where the base's adds were not ours (XTable's bounds are too narrow), or are keyed by other names.
        """
        if self._base is None:
            return True
        metadata = self._base.state.metadata
        if SOURCE_KEY not in metadata.properties:
            return True
        if list(metadata.partition_columns) != self.metadata["partitionColumns"]:
            return True
        mode = mapping_mode(self._base.state)
        if mode == "none":
            # Entries are keyed by the names that columns have inside the files: a mapping does not change these.
            return False
        if not layout.mapped:
            return True
        try:
            before = read_schema(metadata.schema_string, mode)
        except (CorruptTable, UnsupportedTableFeature):
            return True
        names = {field.id: field.stored_name for field in all_fields(before.fields)}
        return any(
            names.get(field.id, field.stored_name) != field.stored_name for field in all_fields(layout.schema.fields)
        )


def _metadata_json(base: Base) -> dict[str, Any]:
    metadata = base.state.metadata
    found: dict[str, Any] = {"id": metadata.id}
    if metadata.name is not None:
        found["name"] = metadata.name
    if metadata.description is not None:
        found["description"] = metadata.description
    return found | {
        "format": {"provider": "parquet", "options": {}},
        "schemaString": metadata.schema_string,
        "partitionColumns": list(metadata.partition_columns),
        "configuration": metadata.properties,
        "createdTime": metadata.created_time,
    }


@cache
def _own_version() -> str:
    try:
        return version("tablecast")
    except PackageNotFoundError:
        return "unknown"
