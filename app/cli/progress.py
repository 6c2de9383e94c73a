"""A progress bar where somebody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from converters import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Generator[Callable[[Progress], None] | None]:
    """Show how far a conversion is on standard error; nothing unless that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - slow
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        tasks = {"": bar.add_task("Reading", total=None)}

        def show(progress: Progress) -> None:
            if "" in tasks:
                bar.remove_task(tasks.pop(""))
            if progress.target not in tasks:
                tasks[progress.target] = bar.add_task(progress.target, total=progress.files_total)
            bar.update(tasks[progress.target], completed=progress.files_done, total=progress.files_total)

        yield show
