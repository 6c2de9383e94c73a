"""The service put together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp, ControllerRouterHandler

from app.access import limits
from app.api import docs, health
from app.api.conversion import ConversionController
from app.api.errors import EXCEPTION_HANDLERS
from app.engine.pool import Pool, new_pool
from app.settings import Settings
from app.telemetry.access_log import AccessLog
from app.telemetry.logs import configure

__all__ = ["ROUTES", "build"]

ROUTES: tuple[ControllerRouterHandler, ...] = (ConversionController, health.healthz, health.readyz)
"""What the contract describes."""


def build(settings: Settings, pool: Pool | None = None) -> Litestar:
    """Build the service.

    Args:
        settings: What it was told.
        pool: Workers that are running; without, it has some of its own, which start and end with it.
    """
    configure(settings)
    workers = pool or new_pool(settings)

    @asynccontextmanager
    async def own_workers(_: Litestar) -> AsyncGenerator[None]:
        async with workers.running():
            yield

    service = Litestar(
        route_handlers=[
            *ROUTES,
            health.healthz_head,
            health.readyz_head,
            docs.contract,
            docs.home,
            docs.page,
            docs.script,
            docs.static_files(),
        ],
        lifespan=[] if pool else [own_workers],
        state=State({"settings": settings, "pool": workers}),
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=limits.BODY,
        openapi_config=None,  # the contract is written by hand; a test compares it with the routes
        logging_config=None,
    )
    # Around the whole application: Litestar's own middleware does not see requests that match no route.
    service.asgi_handler = cast("ASGIApp", AccessLog(service.asgi_handler))
    return service
