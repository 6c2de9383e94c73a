"""Default roots are for this machine only: without roots of its own, a service answers nobody else.

``Settings`` refuses such a service when it knows the address; this is for servers that do not tell it (``litestar
run``, or any other ASGI server).
"""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from app.api.errors import ApiError
from app.settings import Settings, is_loopback

__all__ = ["refuse_exposure"]


def refuse_exposure(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard that refuses requests through a network address while the roots are the default.

    Raises:
        ApiError: 403.
    """
    settings: Settings = connection.app.state.settings
    if settings.roots:
        return
    host, port = connection.scope.get("server") or ("", None)
    # Without a port it is a socket file of this machine.
    if port is not None and not is_loopback(host):
        raise ApiError(
            403,
            "PathNotAllowed",
            "This service allows no roots for requests that come over the network.",
            hint="Have the operator set TABLECAST_ROOTS.",
        )
