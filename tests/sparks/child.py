"""A Spark session of its own process: ``python -m tests.sparks.child VERSION FOLDER``.

A question is a line of JSON on standard input, its answer one on standard output; rows go through a file in the folder.
The process ends with its standard input, and Java ends with it: whoever kills the tests leaves nothing behind.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from tests.sparks import hudi
from tests.sparks.session import start, stop


def _answer(session: SparkSession, asked: dict[str, Any], place: Path) -> dict[str, Any]:
    try:
        found, files = hudi.answer(session, hudi.Question(**asked))
    except Exception as error:  # noqa: BLE001 - whatever it is, the test process is to hear of it
        return {"error": f"{type(error).__name__}: {error}"}
    with pa.OSFile(str(place), "wb") as sink, pa.ipc.new_file(sink, found.schema) as writer:
        writer.write_table(found)
    return {"rows": str(place), "files_read": files}


def main(version: str, folder: Path) -> None:
    """Answer until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Java prints is no answer
    session = start(
        [hudi.package(version)],
        [hudi.EXTENSION],
        {"spark.sql.catalog.spark_catalog": "org.apache.spark.sql.hudi.catalog.HoodieCatalog"},
        threads=1,
        memory="1g",
    )
    print(json.dumps({"ready": session.version}), file=answers, flush=True)
    for number, line in enumerate(sys.stdin):
        said = _answer(session, json.loads(line), folder / f"{number}.arrow")
        print(json.dumps(said), file=answers, flush=True)
    stop(session)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
