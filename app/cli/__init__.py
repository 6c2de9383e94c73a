"""The command line, ``tablecast``.

Only click is imported until a command runs, so that ``--help`` and completion answer at once.
"""

from __future__ import annotations

from app.cli.main import main

__all__ = ["main"]
