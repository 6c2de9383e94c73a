"""The contract, and pages to read and try it that need nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from litestar import Response, Router, get
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

import app

__all__ = ["contract", "home", "page", "script", "static_files"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tablecast API</title>
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the contract itself is at <a href="/openapi.yaml">/openapi.yaml</a>.</noscript>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_SCRIPT = """window.ui = SwaggerUIBundle({
  url: "/openapi.yaml", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, displayRequestDuration: true,
});
"""

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


@get("/openapi.yaml", include_in_schema=False, media_type="application/yaml")
async def contract() -> Response[bytes]:
    """The contract, as it lies in the repository."""
    return Response(_contract(), media_type="application/yaml")


@get("/", include_in_schema=False)
async def home() -> Redirect:
    """People who open the service in a browser land on the documentation."""
    return Redirect("/docs")


@get("/docs", include_in_schema=False, media_type="text/html")
async def page() -> Response[str]:
    """Swagger UI on the contract."""
    return Response(_PAGE, media_type="text/html", headers=_HEADERS)


@get("/docs/start.js", include_in_schema=False, media_type="text/javascript")
async def script() -> Response[str]:
    """What starts Swagger UI; a file of its own, so that the page needs no inline script."""
    return Response(_SCRIPT, media_type="text/javascript", headers=_HEADERS)


def static_files() -> Router:
    """Swagger UI's own files, from its package."""
    from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # noqa: PLC0415 - only here

    return create_static_files_router("/docs/static", directories=[swagger_ui_path], include_in_schema=False)


@cache
def _contract() -> bytes:
    package = Path(app.__file__).parent
    beside = package / "openapi.yaml"  # in an installed package
    return (beside if beside.is_file() else package.parent / "openapi.yaml").read_bytes()
