"""Errors as answers: one table of statuses, one shape (``ErrorModel``), no text of an unexpected error."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET

from app.api.contract import ErrorModel, TargetOutcome
from app.engine.messages import Failure
from app.engine.pool import ConversionTimeout, Overloaded
from app.engine.process import WorkerDied

__all__ = ["EXCEPTION_HANDLERS", "STATUSES", "ApiError", "from_failure"]

_log = logging.getLogger(__name__)

STATUSES: Mapping[str, int] = {
    "InvalidRequest": 400,
    "UnknownFormat": 400,
    "InvalidOption": 400,
    "SourceTableNotFound": 404,
    "AmbiguousTable": 409,
    "CorruptTable": 422,
    "LimitExceeded": 422,
    "UnsupportedTableFeature": 422,
    "TargetConflict": 409,
    "ForeignTarget": 409,
    "TargetChanged": 409,
    "CommitConflict": 409,
    "FullSyncNeeded": 500,
    "VerificationFailed": 500,
    "AccessDenied": 403,
    "PathNotAllowed": 403,
    "StorageError": 502,
    "ObjectNotFound": 502,
    "ObjectAlreadyExists": 502,
    "TablecastError": 500,
}
"""The status of each error of ``converters.errors``, by name."""

_HTTP_TYPES = {404: "NotFound", 405: "MethodNotAllowed", 413: "PayloadTooLarge", 415: "UnsupportedMediaType"}
_RETRY_AFTER = {"Retry-After": "1"}


class ApiError(Exception):
    """An error that is answered as it stands."""

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 - ErrorModel's name
        message: str,
        *,
        hint: str = "",
        targets: Sequence[TargetOutcome] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.model = ErrorModel(
            message=f"{message} {hint}".strip(),
            type=type,
            code=status,
            targets=UNSET if targets is None else list(targets),
        )


def from_failure(failure: Failure, targets: Sequence[TargetOutcome] | None = None) -> ApiError:
    """The answer to what a worker reports; one that nobody expected is logged and not shown."""
    if failure.trace is not None:
        return _unexpected(f"{failure.type} in a worker\n{failure.trace}")
    status = STATUSES.get(failure.type, 500)
    return ApiError(status, failure.type, failure.message, hint=failure.hint, targets=targets)


def _unexpected(trace: str) -> ApiError:
    error_id = uuid.uuid4().hex
    _log.error("unexpected error %s: %s", error_id, trace)
    return ApiError(500, "InternalError", f"An unexpected error occurred; the service's log has it as {error_id}.")


def _answer(error: ApiError) -> Response[ErrorModel]:
    return Response(error.model, status_code=error.status, headers=error.headers)


def _on_api_error(_: Request[Any, Any, Any], error: ApiError) -> Response[ErrorModel]:
    return _answer(error)


def _on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorModel]:
    status = error.status_code
    if status >= 500:
        return _on_anything(request, error)
    name = _HTTP_TYPES.get(status, "InvalidRequest")
    message = {
        "NotFound": "Nothing is at this address.",
        "MethodNotAllowed": f"{request.method} is not possible here.",
        "PayloadTooLarge": "The request's body is too large.",
    }.get(name, error.detail)
    return _answer(ApiError(status, name, message, headers=error.headers))


def _on_overload(_: Request[Any, Any, Any], error: Overloaded) -> Response[ErrorModel]:
    # Nothing was begun, so trying again does no harm.
    return _answer(ApiError(503, "Overloaded", str(error), hint="Try again later.", headers=_RETRY_AFTER))


def _on_timeout(_: Request[Any, Any, Any], error: ConversionTimeout) -> Response[ErrorModel]:
    hint = "Each target is as it was before, or complete."
    return _answer(ApiError(504, "ConversionTimeout", str(error), hint=hint))


def _on_dead_worker(_: Request[Any, Any, Any], error: WorkerDied) -> Response[ErrorModel]:
    _log.error("%s", error)
    message = f"The conversion was ended: {error}."
    hint = "Each target is as it was before, or complete. Is there enough memory?"
    return _answer(ApiError(500, "WorkerDied", message, hint=hint))


def _on_anything(_: Request[Any, Any, Any], error: Exception) -> Response[ErrorModel]:
    return _answer(_unexpected("".join(traceback.format_exception(error))))


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    ApiError: _on_api_error,
    HTTPException: _on_http_error,
    Overloaded: _on_overload,
    ConversionTimeout: _on_timeout,
    WorkerDied: _on_dead_worker,
    Exception: _on_anything,
}
"""For ``Litestar(exception_handlers=...)``."""
