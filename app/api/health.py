"""Whether the service lives, and whether it is ready."""

from __future__ import annotations

from litestar import HttpMethod, Response, route
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec

from app.api.contract import Health
from app.engine.pool import Pool

__all__ = ["healthz", "readyz"]

_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
_NOT_READY = {503: ResponseSpec(Health, description="No worker is ready yet.", generate_examples=False)}


@route("/healthz", http_method=_METHODS, operation_id="getHealth", tags=["Health"])
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@route("/readyz", http_method=_METHODS, operation_id="getReadiness", tags=["Health"], responses=_NOT_READY)
async def readyz(state: State) -> Response[Health]:
    """At least one worker takes conversions."""
    pool: Pool = state.pool
    ready = pool.ready
    return Response(Health(status="ok" if ready else "starting", workers=ready), status_code=200 if ready else 503)
