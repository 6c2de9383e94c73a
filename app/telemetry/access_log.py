"""One line for each request, and an id that ties it to its answer.

A line has the path without its query, and of a conversion the table and the formats; never headers, bodies or
configurations.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from app.telemetry.logs import FIELDS

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog"]

_log = logging.getLogger("app.access")
_PROBES = {"/healthz", "/readyz"}
_HEADER = b"x-request-id"
_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class AccessLog:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope["headers"])
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, request_id)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            fields: dict[str, object] = {
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                "client": (scope.get("client") or ("", 0))[0],
                "request_id": request_id.decode(),
                **scope["state"].get("log", {}),
            }
            level = logging.DEBUG if scope["path"] in _PROBES else logging.INFO
            _log.log(level, "request", extra={FIELDS: fields})


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == _HEADER and _ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()
