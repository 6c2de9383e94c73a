"""Puffin files of deletion vectors (Iceberg spec, "Puffin", "deletion-vector-v1")."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["SOURCE_VECTOR_KEY", "PuffinWriter"]

MAGIC = b"PFA1"
SOURCE_VECTOR_KEY = "tablecast.source-vector"
"""Blob property: the source's id of the vector, by which a later sync sees whether it has changed."""

_TYPE = "deletion-vector-v1"
_ROW_POSITION = 2_147_483_645
"""Field id of a row's position (spec, "Reserved Field IDs"); Java names it as the field that a vector is about."""

_INHERITED = -1
_NO_FLAGS = b"\x00" * 4


class PuffinWriter:
    """Puts blobs into one file.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self) -> None:
        """Start a file."""
        self._parts = [MAGIC]
        self._blobs: list[dict[str, Any]] = []
        self.size = len(MAGIC)

    def add(self, blob: bytes, data_file: str, cardinality: int, source_id: str) -> int:
        """Add the deletion vector of a data file.

        Args:
            blob: The vector.
            data_file: The data file as manifests name it.
            cardinality: How many rows it deletes.
            source_id: The source's id of it.

        Returns:
            Where the blob begins.
        """
        offset = self.size
        self._parts.append(blob)
        self.size += len(blob)
        self._blobs.append(
            {
                "type": _TYPE,
                "fields": [_ROW_POSITION],
                "snapshot-id": _INHERITED,
                "sequence-number": _INHERITED,
                "offset": offset,
                "length": len(blob),
                "properties": {
                    "referenced-data-file": data_file,
                    "cardinality": str(cardinality),
                    SOURCE_VECTOR_KEY: source_id,
                },
            }
        )
        return offset

    def finish(self) -> bytes:
        """The file."""
        footer = msgspec.json.encode({"blobs": self._blobs, "properties": {"created-by": "Tablecast"}})
        return b"".join([*self._parts, MAGIC, footer, len(footer).to_bytes(4, "little"), _NO_FLAGS, MAGIC])
