"""A few data files that stand for all: every commit writes its files with one schema."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from converters.parquet.field_ids import Samples
from converters.parquet.footers import Footer
from converters.parquet.statistics import Shape, read_statistics
from converters.storage.base import Storage

__all__ = ["FileSamples", "sample_files"]


class FileSamples(msgspec.Struct, frozen=True):
    """What the sample files say.

    Attributes:
        footers: Their footers.
        shapes: The different schemas of those that Hudi wrote.
    """

    footers: tuple[Footer, ...]
    shapes: tuple[Shape, ...]


def sample_files(storage: Storage, samples: Samples, files: pa.Table, paths: pa.Array) -> FileSamples:
    """Read one file of each commit, and the first and the last of those that another system wrote.

    Args:
        storage: Where the files are.
        samples: Reads what may be missing.
        files: As ``file_names.base_files`` returns them.
        paths: Their locations.

    Raises:
        CorruptTable: A file that Hudi wrote is missing or cannot be read.
    """
    rows = pa.table({"instant": files["instant"], "row": pa.array(range(len(files)), pa.int64()), "path": paths})
    external = files["external"]
    firsts = rows.filter(pc.invert(external)).group_by("instant").aggregate([("row", "min")])["row_min"]
    shapes: tuple[Shape, ...] = ()
    if len(firsts):
        own = firsts.combine_chunks()
        shapes = read_statistics(storage, paths.take(own).to_pylist(), files["size"].take(own).to_pylist(), ()).shapes
    others = rows.filter(external)["row"].to_pylist()
    found = [samples.footer(paths[row].as_py(), files["size"][row].as_py()) for row in {*others[:1], *others[-1:]}]
    footers = (*(shape.footer for shape in shapes), *(footer for footer in found if footer is not None))
    return FileSamples(footers, shapes)
