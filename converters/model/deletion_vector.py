"""Which rows of a data file are deleted: where its deletion vector lies.

Delta Lake and Iceberg v3 keep the same bytes, called the blob here (Iceberg's Puffin spec, "deletion-vector-v1"; Delta
protocol, "Deletion Vector Format", where the file's version byte precedes the first one):

========= ============================================================================
4 bytes   length of what is between here and the checksum, big-endian
4 bytes   magic number ``D1 D3 39 64``
n bytes   the deleted rows' positions: 64-bit roaring bitmap, portable serialisation
4 bytes   CRC-32 of magic number and bitmap, big-endian
========= ============================================================================
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from converters.errors import UnsupportedTableFeature

__all__ = ["DELETION_VECTOR", "refuse_deletion_vectors"]

DELETION_VECTOR = pa.struct(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("inline", pa.binary()),
        pa.field("cardinality", pa.int64(), nullable=False),
    ]
)
"""A file's deletion vector; null where no row of the file is deleted.

``id``
    The source's name for this vector, of at most some hundred bytes.  Another content has another id, the same vector
    keeps its id from one version to the next: targets remember it and so tell what has changed without reading blobs.
``path``, ``offset``, ``length``
    Canonical location of the file that holds the blob, and where in it the whole blob (length and checksum included)
    lies, in bytes; null when ``inline`` is given.
``inline``
    The whole blob itself.
``cardinality``
    How many rows it deletes; at least 1.
"""


def refuse_deletion_vectors(batch: pa.RecordBatch, target_format: str, *, hint: str) -> None:
    """Refuse files with deleted rows, for a target that cannot say them.

    Raises:
        UnsupportedTableFeature: A file of the batch has a deletion vector.
    """
    vectors = batch.column("deletion_vector")
    if vectors.null_count < len(vectors):
        path = batch.column("path").filter(pc.is_valid(vectors))[0].as_py()
        msg = f"Some rows of the data file '{path}' are deleted, which {target_format} cannot say of such a file."
        raise UnsupportedTableFeature(msg, hint=hint)
