"""Hudi tables of version 6 without a metadata table, made by hand: files as one likes, one commit after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hudi_timeline.made import commit_json, write_properties

__all__ = ["HudiTable"]

_FIRST = 20240229120000000
_SCHEMA = {"id": "long", "p": "string"}


class HudiTable:
    """A table to write to."""

    def __init__(
        self,
        path: Path,
        *,
        partition_fields: str = "",
        generator: str = "",
        schema: Mapping[str, Any] = _SCHEMA,
        **properties: str,
    ) -> None:
        """Make a table without commits; it is partitioned hive-style by the fields, if there are any."""
        self.path = path
        self._instant = _FIRST
        self._stats: dict[str, list[dict[str, Any]]] = {}
        self.schema: Mapping[str, Any] = schema
        generator = generator or ("Complex" if "," in partition_fields else "Simple") * bool(partition_fields)
        write_properties(
            path,
            {
                "hoodie.table.partition.fields": partition_fields,
                "hoodie.datasource.write.hive_style_partitioning": str(generator not in ("", "Timestamp")).lower(),
                "hoodie.table.keygenerator.class": f"org.apache.hudi.keygen.{_class_of(generator)}",
                **properties,
            },
        )

    def write(self, partition: str, rows: pa.Table, group: str = "", **how: Any) -> Path:
        """Write a base file, of a new file group unless one is named; it counts from the next commit on."""
        folder = self.path / partition
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".hoodie_partition_metadata").touch()
        group = group or f"{self._instant}{len(list(self.path.rglob('*.parquet')))}-0"
        path = folder / f"{group}_0-0-0_{self._instant}.parquet"
        pq.write_table(rows, path, **how)
        stat = {"fileId": group, "path": f"{partition}/{path.name}".lstrip("/"), "fileSizeInBytes": path.stat().st_size}
        self._stats.setdefault(partition, []).append(stat)
        return path

    def commit(self) -> str:
        """Complete the commit of what was written since the last one, and return its time."""
        instant = str(self._instant)
        fields = [{"name": name, "type": ["null", kind], "default": None} for name, kind in self.schema.items()]
        schema = json.dumps({"type": "record", "name": "t", "fields": fields})
        content = commit_json(partitionToWriteStats=self._stats, extraMetadata={"schema": schema})
        (self.path / ".hoodie" / f"{instant}.commit").write_bytes(content)
        self._stats = {}
        self._instant += 1000
        return instant


def _class_of(generator: str) -> str:
    return {"": "NonpartitionedKeyGenerator", "Timestamp": "TimestampBasedKeyGenerator"}.get(
        generator, f"{generator}KeyGenerator"
    )
