"""Tablecast's service and command line.

``create_app`` is what ``litestar run`` finds unaided.  Nothing heavy is imported here, so that the command line
starts quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar import Litestar

__all__ = ["create_app"]


def create_app() -> Litestar:
    """Build the service from the environment (see ``app.settings``).

    Raises:
        SettingsError: A ``TABLECAST_*`` variable is unknown or its value is not understood.
    """
    from app.server import build  # noqa: PLC0415 - Litestar is slow to import
    from app.settings import Settings  # noqa: PLC0415

    return build(Settings.from_environment())
