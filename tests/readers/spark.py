"""One Spark session, shared by everything in a test run, that reads and writes Delta, Iceberg and Hudi."""

import functools
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from tests.sparks import children, hudi
from tests.sparks import session as sessions
from tests.sparks.session import java

__all__ = ["HUDI", "java", "load", "session", "stop"]

HUDI = "1.2.0"
PACKAGES = (
    "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.11.0",
    "io.delta:delta-spark_2.12:3.3.3",
    "io.delta:delta-storage:3.3.3",
    hudi.package(HUDI),
)
# Delta before Iceberg: Iceberg's row-lineage rule fails on UPDATE of a Delta table unless Delta's own rule has run.
EXTENSIONS = (
    "io.delta.sql.DeltaSparkSessionExtension",
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    hudi.EXTENSION,
)


def _warm_column_defaults(session: SparkSession) -> None:
    """Make Spark's analyzer of column defaults here, on the driver: in a task it finds no session and fails."""
    jvm = java(session)
    schema = jvm.org.apache.spark.sql.types.DataType.fromJson(
        '{"type":"struct","fields":[{"name":"v","type":"string","nullable":true,'
        '"metadata":{"CURRENT_DEFAULT":"\'x\'","EXISTS_DEFAULT":"\'x\'"}}]}'
    )
    jvm.org.apache.spark.sql.catalyst.util.ResolveDefaultColumns.existenceDefaultValues(schema)


@functools.cache
def session() -> SparkSession:
    """Return the session of this process, started on first use."""
    settings = {
        "spark.databricks.delta.snapshotPartitions": "1",
        # One class alone can own spark_catalog. Delta's SQL by path needs it; Iceberg has a catalog of its own.
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.ice.type": "hadoop",
        "spark.sql.catalog.ice.warehouse": "{work}/iceberg",
        "spark.sql.catalog.ice.cache-enabled": "false",
    }
    made = sessions.start(PACKAGES, EXTENSIONS, settings, threads=2, memory="2g")
    _warm_column_defaults(made)
    return made


def stop() -> None:
    """End the session and the child processes, with their Java, if there are any."""
    children.stop()
    if session.cache_info().currsize:
        sessions.stop(session())
        session.cache_clear()


_seen: dict[str, tuple[tuple[str, int, int], ...]] = {}


def load(table_format: str, location: str, **options: str) -> DataFrame:
    """Open a table, which may have been replaced since it was last seen under the same path."""
    made = session()
    if table_format == "hudi":
        return hudi.frame(made, location, options, keep_meta_columns=False)
    if table_format == "delta":
        log = sorted(Path(location, "_delta_log").iterdir())
        state = tuple((file.name, file.stat().st_ino, file.stat().st_mtime_ns) for file in log)
        if _seen.get(location, state) != state:
            java(made).org.apache.spark.sql.delta.DeltaLog.clearCache()
        _seen[location] = state
    return made.read.format(table_format).options(**options).load(location)
