"""hudi-rs as a reader of a metadata table's files that is not ours and needs no JVM."""

from pathlib import Path

import pyarrow as pa
from hudi import HudiFileGroupReader

PROPERTIES = """\
hoodie.table.name=t_metadata
hoodie.table.type=MERGE_ON_READ
hoodie.table.version=6
hoodie.timeline.layout.version=1
hoodie.table.base.file.format=HFILE
hoodie.populate.meta.fields=false
hoodie.table.recordkey.fields=key
"""


def records(folder: Path, partition: str, base: bytes) -> pa.Table:
    """Return the records of a base file, as hudi-rs reads them when the file lies in a metadata table."""
    table = folder / ".hoodie" / "metadata"
    (table / ".hoodie").mkdir(parents=True)
    (table / ".hoodie" / "hoodie.properties").write_text(PROPERTIES, encoding="utf-8")
    group = {"files": "files-0000-0", "column_stats": "col-stats-0000-0"}[partition]
    name = f"{partition}/{group}_0-0-0_20261121090000000.hfile"
    (table / partition).mkdir()
    (table / name).write_bytes(base)
    batch = HudiFileGroupReader(table.as_uri()).read_file_slice_from_paths(name, [])
    return pa.table(batch)
