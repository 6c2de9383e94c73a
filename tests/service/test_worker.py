"""What a worker does, without the process around it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.engine import warm_up
from app.engine.messages import Outcome, Task
from app.engine.worker import perform
from tests.tables import read_rows, write_delta


def test_warming_up_converts_something_to_every_format_and_back() -> None:
    warm_up._convert_everywhere()


def _task(place: Path, **changes: object) -> Task:
    task = Task(
        source=str(place),
        source_format="delta",
        targets=("iceberg",),
        table_name="t",
        target_path=None,
        options={},
        roots=(str(place),),
    )
    return msgspec.structs.replace(task, **changes)


def test_a_task(tmp_path: Path) -> None:
    outcome = perform(_task(write_delta(tmp_path)))
    assert outcome.error is None
    assert [(target.format, target.status) for target in outcome.targets] == [("ICEBERG", "synced")]
    assert read_rows("iceberg", tmp_path) == read_rows("delta", tmp_path)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=Outcome) == outcome


def test_an_error_of_the_library(tmp_path: Path) -> None:
    error = perform(_task(tmp_path)).error
    assert error is not None
    assert (error.type, error.trace) == ("SourceTableNotFound", None)


def test_an_error_that_nobody_expected(tmp_path: Path) -> None:
    # What the service checks before it asks: a worker must survive it all the same.
    error = perform(_task(tmp_path, source_format=5)).error
    assert error is not None
    assert error.type == "AttributeError"
    assert "Traceback" in (error.trace or "")
