"""Read Hudi tables with three versions of Hudi in Spark, and with hudi-rs."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from hudi import HudiReadOptions, HudiTableBuilder

from tests.readers import spark
from tests.sparks import children
from tests.sparks.children import HudiError
from tests.sparks.hudi import META_COLUMNS, Question, answer

__all__ = ["VERSIONS", "Answer", "HudiError", "files_read", "options", "query", "read_with_rust", "run"]

# Which readers read Hudi with Spark, and with which version of Hudi.
VERSIONS = {"spark": spark.HUDI, "spark-hudi-1.0.2": "1.0.2", "spark-hudi-0.15.0": "0.15.0"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """Rows, and how many data files were opened to find them."""

    rows: pa.Table
    files_read: int


def options(
    reader: str, location: str | Path, version: int | str | None = None, *, skipping: bool = True
) -> dict[str, str]:
    """Return how a reader is told to read.

    Args:
        reader: One of `VERSIONS`.
        location: The table's directory.
        version: The instant to travel to.
        skipping: Whether files may be skipped by the statistics of the metadata table.
    """
    chosen = {"hoodie.enable.data.skipping": "true" if skipping else "false"}
    if reader == "spark-hudi-0.15.0":
        chosen["hoodie.metadata.enable"] = "true"  # its readers list directories unless told
    if any(Path(str(location).removeprefix("file://"), ".hoodie", ".schema").glob("*.schemacommit")):
        chosen["hoodie.schema.on.read.enable"] = "true"  # else renamed columns are null
    if version is not None:
        chosen["as.of.instant"] = str(version)
    return chosen


def _ask(reader: str, question: Question) -> Answer:
    if VERSIONS[reader] == spark.HUDI:
        return Answer(*answer(spark.session(), question))
    return Answer(*children.ask(VERSIONS[reader], question))


def query(
    reader: str,
    location: str | Path,
    sql: str = "SELECT * FROM t",
    *,
    version: int | str | None = None,
    skipping: bool = True,
    more: Mapping[str, str] | None = None,
    keep_meta_columns: bool = False,
) -> Answer:
    """Return the answer of a query over a table, which is ``t`` in it.

    Args:
        reader: One of `VERSIONS`.
        location: The table's directory.
        sql: The query.
        version: The instant to travel to.
        skipping: Whether files may be skipped by the statistics of the metadata table.
        more: Further options for the reader of the table.
        keep_meta_columns: Whether ``t`` has Hudi's own columns, too.

    Raises:
        HudiError: An older version of Hudi could not answer (the session of this process raises its own errors).
    """
    chosen = options(reader, location, version, skipping=skipping) | dict(more or {})
    return _ask(reader, Question(str(location), [sql], chosen, keep_meta_columns))


def files_read(
    reader: str, location: str | Path, where: str, *, version: int | str | None = None, skipping: bool = True
) -> int:
    """Return how many data files a reader opens for the rows that a condition keeps."""
    return query(reader, location, f"SELECT * FROM t WHERE {where}", version=version, skipping=skipping).files_read


def run(reader: str, *statements: str) -> pa.Table:
    """Run SQL with a version of Hudi, as ``CREATE TABLE n USING hudi LOCATION '…'``; return what the last one gives.

    Raises:
        HudiError: As for `query`.
    """
    return _ask(reader, Question(None, statements)).rows


def read_with_rust(location: str | Path, version: int | str | None = None) -> pa.Table:
    """Read a table with hudi-rs, which needs no Java.

    Raises:
        HudiError: It cannot.
    """
    asked = HudiReadOptions().with_as_of_timestamp(str(version)) if version is not None else None
    try:
        table = HudiTableBuilder.from_base_uri(str(location)).build()
        batches = table.read(asked)
    except BaseException as error:  # what it has not been taught is a panic, which is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise HudiError(str(error)) from error
        raise
    parts = [pa.Table.from_batches([pa.record_batch(batch)]) for batch in batches]
    if not parts:
        return pa.schema(table.get_schema()).empty_table()
    whole = pa.concat_tables(parts, promote_options="default")
    return whole.select([name for name in whole.column_names if not name.startswith(META_COLUMNS)])
