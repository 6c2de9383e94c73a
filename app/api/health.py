"""Whether the service lives, and whether it is ready."""

from __future__ import annotations

from litestar import Response, get, head
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec

from app.api.contract import Health
from app.engine.pool import Pool

__all__ = ["healthz", "healthz_head", "readyz", "readyz_head"]

_NOT_READY = {503: ResponseSpec(Health, description="No worker is ready yet.", generate_examples=False)}


@get("/healthz", operation_id="getHealth", tags=["Health"])
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@head("/healthz", include_in_schema=False)
async def healthz_head() -> None:
    """The process answers."""


@get("/readyz", operation_id="getReadiness", tags=["Health"], responses=_NOT_READY)
async def readyz(state: State) -> Response[Health]:
    """At least one worker takes conversions."""
    ready = _ready(state)
    return Response(Health(status="ok" if ready else "starting", workers=ready), status_code=200 if ready else 503)


@head("/readyz", include_in_schema=False)
async def readyz_head(state: State) -> Response[None]:
    """At least one worker takes conversions."""
    return Response(None, status_code=200 if _ready(state) else 503)


def _ready(state: State) -> int:
    pool: Pool = state.pool
    return pool.ready
