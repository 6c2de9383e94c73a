"""Reading a Hudi table back with Spark, an engine that is not ours; ``python -m app.demo.spark TABLE ROWS.parquet``.

Spark runs in a process of its own, so that its Java and its many words are gone when it is done.  Its Hudi connector
is fetched once and kept under ``.cache/ivy``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["SparkFailed", "missing_for_spark", "rows_by_spark"]

_HUDI = "org.apache.hudi:hudi-spark3.5-bundle_2.12:1.2.0"
_JAVA_VERSIONS = {"8", "11", "17"}
_PATIENCE = 600


class SparkFailed(Exception):  # noqa: N818 - says what happened
    """Spark did not read the table; the message has its last words."""


def missing_for_spark() -> str | None:
    """What this machine lacks to run Spark, in words; None when nothing."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None or _java_version(java) not in _JAVA_VERSIONS:
        return f"Java {', '.join(sorted(_JAVA_VERSIONS, key=int))}"
    return None if importlib.util.find_spec("pyspark") else "pyspark"


def rows_by_spark(location: str, rows: Path) -> None:
    """Write a Hudi table's rows, without Hudi's own columns, to Parquet files in a new directory.

    Raises:
        SparkFailed: It cannot.
    """
    command = [sys.executable, "-m", "app.demo.spark", location, str(rows)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SparkFailed(f"Spark did not answer within {_PATIENCE} seconds.") from error
    if done.returncode != 0:
        raise SparkFailed(done.stderr[-2000:])


def _java_version(java: str) -> str | None:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return found[1] if found else None


def _read(location: str, rows: str) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the demo's part of this module does without

    with tempfile.TemporaryDirectory() as work:
        conf = {
            "spark.app.name": "tablecast-demo",
            "spark.master": "local[2]",
            "spark.jars.packages": _HUDI,
            "spark.jars.ivy": str(Path(".cache", "ivy").absolute()),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": f"-Duser.timezone=UTC -Dderby.system.home={work}",
            "spark.local.dir": work,
            "spark.ui.enabled": "false",
            "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
            "spark.sql.extensions": "org.apache.spark.sql.hudi.HoodieSparkSessionExtension",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": work,
        }
        builder = SparkSession.Builder()
        for key, value in conf.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        frame = session.read.format("hudi").load(location)
        own = [name for name in frame.columns if name.startswith("_hoodie_")]
        frame.drop(*own).write.parquet(rows)
        session.stop()


if __name__ == "__main__":
    _read(sys.argv[1], sys.argv[2])
