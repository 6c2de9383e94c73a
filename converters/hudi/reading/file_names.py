"""Names of a table's data files, and what they say (``FSUtils``, ``HoodieLogFile``, ``ExternalFilePathUtil``).

::

    <file id>_<write token>_<instant>.parquet                     a base file
    .<file id>_<instant>.log.<version>_<write token>              a log file of changes to a base file
    .<file id>_<instant>.log.<version>_<write token>.cdc          a log file for change feeds, which no snapshot reads
    <name>_<instant>_hudiext                                      a base file that another system wrote, called <name>
    <folder>/<name>_<instant>_fg%3D<escaped folder>_hudiext       the same in a folder below its partition (Hudi 1.2)

The instant of a log file is that of its base file in timeline layout 1, and its own in layout 2.  The file id of a
file that another system wrote is its name, with its folder.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["BASE_COLUMNS", "EXTERNAL", "LOG_COLUMNS", "base_files", "log_files"]

BASE_COLUMNS = pa.schema(
    [
        ("partition", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("file_id", pa.string()),
        ("instant", pa.string()),
        ("extension", pa.string()),
        ("external", pa.bool_()),
    ]
)
"""What ``base_files`` returns; ``name`` is the file's real one, below its partition."""

LOG_COLUMNS = pa.schema(
    [
        ("partition", pa.string()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("file_id", pa.string()),
        ("instant", pa.string()),
    ]
)
"""What ``log_files`` returns."""

_BASE = r"^(?P<id>[^_/.][^_/]*)_(?P<token>[^_/]*)_(?P<instant>[0-9]+)\.(?P<extension>[A-Za-z]+)$"
EXTERNAL = "hudiext"
"""The end of the recorded name of a file that Hudi did not write (``ExternalFilePathUtil``)."""

_EXTERNAL_SUFFIX = f"_{EXTERNAL}"
_GROUP_MARK = "_fg%3D"
_EXTERNAL = r"^(?:(?P<folder>.*)/)?(?P<name>[^/]+?)_(?P<instant>[0-9]+)_fg%3D(?P<group>[^/]*)_hudiext$"
_LOG = r"^\.(?P<id>[^/]+)_(?P<instant>[0-9]+)\.log\."
_NO_LOG = r"\.(?:cdc|crc)$"
_ESCAPE = "%"


def base_files(files: pa.Table) -> pa.Table:
    """Those of the files that are base files.

    Args:
        files: ``partition`` (``""`` for a table without partitions), ``name`` as recorded, ``size``.

    Returns:
        A table of ``BASE_COLUMNS``.
    """
    external = pc.ends_with(files["name"], _EXTERNAL_SUFFIX)
    if pc.any(external).as_py():
        parts = [_own(files.filter(pc.invert(external))), _external(files.filter(external))]
        return pa.concat_tables(parts)
    return _own(files)


def log_files(files: pa.Table) -> pa.Table:
    """Those of the files that are log files which a snapshot reads; arguments as for ``base_files``.

    Returns:
        A table of ``LOG_COLUMNS``.
    """
    hidden = pc.and_(pc.starts_with(files["name"], "."), pc.match_substring(files["name"], ".log."))
    files = files.filter(pc.and_(hidden, pc.invert(pc.match_substring_regex(files["name"], _NO_LOG))))
    found = pc.extract_regex(files["name"], _LOG)
    files, found = files.filter(pc.is_valid(found)), found.drop_null()
    columns = [files["partition"], files["name"], files["size"], _group(found, "id"), _group(found, "instant")]
    return pa.table(columns, schema=LOG_COLUMNS)


def _own(files: pa.Table) -> pa.Table:
    found = pc.extract_regex(files["name"], _BASE)
    files, found = files.filter(pc.is_valid(found)), found.drop_null()
    columns = [
        files["partition"],
        files["name"],
        files["size"],
        _group(found, "id"),
        _group(found, "instant"),
        pc.utf8_lower(_group(found, "extension")),
        pa.repeat(pa.scalar(value=False), len(files)),
    ]
    return pa.table(columns, schema=BASE_COLUMNS)


def _external(files: pa.Table) -> pa.Table:
    marked = pc.match_substring(files["name"], _GROUP_MARK)
    if pc.any(marked).as_py():
        plain, grouped = files.filter(pc.invert(marked)), _in_folders(files.filter(marked))
        return pa.concat_tables([_external(plain), grouped]) if len(plain) else grouped
    names = pc.utf8_slice_codeunits(files["name"], 0, -len(_EXTERNAL_SUFFIX)).combine_chunks()
    halves = pc.split_pattern(names, "_", max_splits=1, reverse=True)
    is_whole = pc.equal(pc.list_value_length(halves), 2)
    files, halves = files.filter(is_whole), halves.filter(is_whole).flatten()
    real = halves.take(pa.array(np.arange(0, len(halves), 2)))
    instant = halves.take(pa.array(np.arange(1, len(halves), 2)))
    return _external_table(files, real, instant)


def _in_folders(files: pa.Table) -> pa.Table:
    found = pc.extract_regex(files["name"], _EXTERNAL)
    files, found = files.filter(pc.is_valid(found)), found.drop_null()
    folder, group, name = _group(found, "folder"), _group(found, "group"), _group(found, "name")
    # The recorded name has the folder already, else the marker says it.
    folder = pc.if_else(pc.equal(folder, ""), _unescaped(group), folder)
    real = pc.if_else(pc.equal(folder, ""), name, pc.binary_join_element_wise(folder, name, "/"))
    return _external_table(files, real, _group(found, "instant"))


def _external_table(files: pa.Table, real: pa.Array, instant: pa.Array) -> pa.Table:
    columns = [
        files["partition"],
        real,
        files["size"],
        real,
        instant,
        pc.utf8_lower(pc.replace_substring_regex(real, r"^.*\.", "")),
        pa.repeat(pa.scalar(value=True), len(files)),
    ]
    table = pa.table(columns, schema=BASE_COLUMNS)
    numbers = pc.match_substring_regex(table["instant"], r"^[0-9]+$")
    return table if pc.all(numbers).as_py() else table.filter(numbers)


def _group(found: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pc.struct_field(found, name)


def _unescaped(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    from converters.hudi.partitions.path_escapes import unescaped  # noqa: PLC0415 - rarely needed

    if not pc.any(pc.match_substring(texts, _ESCAPE)).as_py():
        return texts
    encoded = texts.combine_chunks().dictionary_encode()
    return pa.chunked_array(
        [pa.array(map(unescaped, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)]
    )
