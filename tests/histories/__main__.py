"""``python -m tests.histories --minutes 30 --seed 1``: histories one after another, as long as one likes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.histories.lives import KINDS, HistoryError, live
from tests.readers import Format, spark


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--kind", choices=KINDS, action="append", help="which writers (all)")
    parser.add_argument("--no-hudi", action="store_true", help="leave out Hudi targets, for which Spark is started")
    said = parser.parse_args()
    warnings.filterwarnings("ignore", "Delete operation did not match any records")
    targets: tuple[Format, ...] = ("delta", "iceberg") if said.no_hudi else ("delta", "iceberg", "hudi")
    until = time.monotonic() + said.minutes * 60
    seed, failed = said.seed, 0
    while time.monotonic() < until:
        for kind in said.kind or KINDS:
            with tempfile.TemporaryDirectory(prefix="tablecast-history-") as folder:
                try:
                    live(kind, Path(folder), seed, steps=said.steps, targets=targets)
                except HistoryError as failure:
                    failed += 1
                    sys.stdout.write(f"{failure}\n\n")
        seed += 1
    sys.stdout.write(f"seeds {said.seed} to {seed - 1}: {failed} failed\n")
    spark.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(_main())
