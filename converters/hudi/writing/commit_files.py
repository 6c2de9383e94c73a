"""What stands in the files of a replace commit, written column by column.

Table version 6: JSON (``HoodieReplaceCommitMetadata``).  What is asked for most stands first, the long list of files
last, so that a reader of ours needs no more than the beginning; others do not care.  ``HEAD_END`` ends that beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.hudi.reading.file_names import EXTERNAL
from converters.hudi.writing.source_files import partition_runs
from converters.json_text import escaped, json_string
from converters.staging import Spool

__all__ = ["HEAD_END", "HEAD_START", "external_names", "json_bytes_of", "write_json"]

HEAD_START = b'{"extraMetadata":{'
HEAD_END = b',"partitionToWriteStats":{'
"""Stands nowhere else: within a JSON string, a quote follows a backslash."""

_ROWS_AT_ONCE = 50_000
_FIXED_BYTES = 230


def external_names(names: pa.Array, instant: str) -> pa.Array:
    """Names as the metadata has them: those of files which the commit ``instant`` added."""
    return pc.binary_join_element_wise(names, pa.scalar(f"_{instant}_{EXTERNAL}"), "")


def json_bytes_of(files: pa.Table) -> pa.Array:
    """About how many bytes each file has in the JSON of a commit; int64.

    Args:
        files: Of ``SOURCE_FILES``.
    """
    partition = files["partition"].combine_chunks()
    lengths = pc.binary_length(partition.dictionary).cast(pa.int64()).take(partition.indices)
    names = pc.binary_length(files["name"].combine_chunks()).cast(pa.int64())
    return pc.add(pc.multiply(pc.add(lengths, names), 2), _FIXED_BYTES)


def write_json(
    out: Spool,
    instant: str,
    extra: Mapping[str, str],
    added: pa.Table,
    replaced: Mapping[str, Iterable[str]],
) -> None:
    """Write a completed replace commit.

    Args:
        out: Where to.
        instant: The commit's time.
        extra: What it notes: the table's schema, the state of the sync.
        added: The files that it adds, of ``SOURCE_FILES``.
        replaced: Ids of the file groups that it replaces, by partition.
    """
    out.write(b'{"extraMetadata":' + msgspec.json.encode(dict(extra)))
    out.write(
        b',"partitionToReplaceFileIds":' + msgspec.json.encode({key: list(each) for key, each in replaced.items()})
    )
    out.write(b',"operationType":"UNKNOWN","compacted":false' + HEAD_END)
    files, runs = partition_runs(added)
    for number, (partition, start, end) in enumerate(runs):
        out.write(f"{',' if number else ''}{json_string(partition)}:[".encode())
        for first in range(start, end, _ROWS_AT_ONCE):
            part = files.slice(first, min(_ROWS_AT_ONCE, end - first))
            texts = _stats(partition, part, instant)
            joined = pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), ",")[0].as_py()
            out.write((("," if first > start else "") + joined).encode())
        out.write(b"]")
    out.write(b"}}")


def _stats(partition: str, files: pa.Table, instant: str) -> pa.Array:
    """A ``HoodieWriteStat`` for each of a partition's files."""
    name = escaped(files["name"].combine_chunks())
    rows = files["row_count"].combine_chunks().cast(pa.string())
    size = files["size"].combine_chunks().cast(pa.string())
    folder = json_string(f"{partition}/" if partition else "")[1:-1]
    return pc.binary_join_element_wise(
        '{"fileId":"',
        name,
        f'","path":"{folder}',
        name,
        f'_{instant}_{EXTERNAL}","partitionPath":{json_string(partition)},"prevCommit":null,"numWrites":',
        rows,
        ',"numInserts":',
        rows,
        ',"numUpdateWrites":0,"numDeletes":0,"totalWriteBytes":',
        size,
        ',"totalWriteErrors":0,"fileSizeInBytes":',
        size,
        "}",
        "",
    )
