"""What is asked of Hudi in a Spark session, whichever version of Hudi that session has."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from tests.sparks.session import rows

META_COLUMNS = "_hoodie_"
EXTENSION = "org.apache.spark.sql.hudi.HoodieSparkSessionExtension"


def package(version: str) -> str:
    """Return where Maven has a version of Hudi for Spark 3.5."""
    return f"org.apache.hudi:hudi-spark3.5-bundle_2.12:{version}"


@dataclasses.dataclass(frozen=True)
class Question:
    """A question to a session.

    Attributes:
        location: The table that is the view ``t``, without Hudi's own columns; none if only statements are run.
        statements: SQL, run one after another; the rows of the last are the answer.
        options: Given to the reader of the table.
        keep_meta_columns: Whether the view has Hudi's own columns, too.
    """

    location: str | None
    statements: Sequence[str] = ("SELECT * FROM t",)
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    keep_meta_columns: bool = False


def frame(session: SparkSession, location: str, options: Mapping[str, str], *, keep_meta_columns: bool) -> DataFrame:
    """Open a table, without the columns that are Hudi's own unless they are wanted."""
    opened = session.read.format("hudi").options(**options).load(location)
    if keep_meta_columns:
        return opened
    return opened.drop(*[name for name in opened.columns if name.startswith(META_COLUMNS)])


def files_read(asked: DataFrame) -> int:
    """Return how many files were opened for the rows that have been collected of a frame."""
    execution: Any = asked._jdf
    leaves = execution.queryExecution().executedPlan().collectLeaves()
    metrics = [leaves.apply(place).metrics().get("numFiles") for place in range(leaves.size())]
    return sum(metric.get().value() for metric in metrics if metric.isDefined())


def answer(session: SparkSession, question: Question) -> tuple[pa.Table, int]:
    """Return the rows that are the answer, and how many files were read for them."""
    if question.location is not None:
        opened = frame(session, question.location, question.options, keep_meta_columns=question.keep_meta_columns)
        opened.createOrReplaceTempView("t")
    *before, last = question.statements
    for statement in before:
        session.sql(statement)
    asked = session.sql(last)
    found = rows(asked)
    return found, files_read(asked)
