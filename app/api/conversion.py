"""``POST /v1/conversion/table``: convert now, answer when it is done."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Controller, Response, post
from litestar.datastructures import State
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body

from app.access.exposure import refuse_exposure
from app.api.answers import response, target_outcome
from app.api.body import ConversionRequest
from app.api.contract import ConvertTableRequest, ConvertTableResponse, ErrorModel
from app.api.errors import STATUSES, ApiError, from_failure
from app.engine.messages import Outcome, Task
from app.engine.pool import Pool
from app.settings import Settings

__all__ = ["ConversionController"]

_XTABLE_PARTITION_SPEC = "partition-spec"

_ERRORS = {
    status: ResponseSpec(ErrorModel, description=description, generate_examples=False)
    for status, description in {
        400: "The request is malformed.",
        403: "Not allowed here.",
        404: "No such table.",
        409: "The target is not ours to change as it stands.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "The table cannot be converted.",
        500: "An unexpected error, or a target that does not equal the source.",
        502: "The storage failed.",
        503: "Too busy, or not ready.",
        504: "The conversion took too long.",
    }.items()
}


class ConversionController(Controller):
    """Conversions of tables by path."""

    path = "/v1/conversion"
    tags = ["XTable Service API"]  # noqa: RUF012 - Litestar's way
    request_class = ConversionRequest
    guards = [refuse_exposure]  # noqa: RUF012

    @post("/table", status_code=200, operation_id="convertTable", responses=_ERRORS)
    async def convert_table(
        self, request: ConversionRequest, data: Annotated[ConvertTableRequest, Body()], state: State
    ) -> Response[ConvertTableResponse]:
        """Convert a table to each target format, in a worker process."""
        settings: Settings = state.settings
        request.scope["state"]["log"] = {
            "table": data.source_table_path,
            "source_format": data.source_format,
            "targets": data.target_formats,
        }
        outcome = await _run_while_connected(state.pool, _task(data, settings), request)
        if outcome.error is not None:
            raise from_failure(outcome.error)
        failures = [target.error for target in outcome.targets if target.error is not None]
        if failures:
            # The gravest decides the status; the members of ``targets`` say the rest.
            gravest = max(failures, key=lambda failure: STATUSES.get(failure.type, 500))
            raise from_failure(gravest, [target_outcome(target) for target in outcome.targets])
        return Response(response(outcome, settings.response_key))


def _task(data: ConvertTableRequest, settings: Settings) -> Task:
    return Task(
        source=data.source_table_path,
        source_format=data.source_format,
        targets=tuple(data.target_formats),
        table_name=data.source_table_name,
        target_path=data.source_data_path,
        options=_options(data),
        roots=settings.allowed_roots,
        verify=data.verify,
    )


def _options(data: ConvertTableRequest) -> dict[str, str]:
    """The caller's options; XTable's one key is the partition spec of a Hudi source."""
    options = dict(data.configurations or {})
    if data.source_format.strip().upper() == "HUDI" and _XTABLE_PARTITION_SPEC in options:
        options["hudi.source.partition-spec"] = options.pop(_XTABLE_PARTITION_SPEC)
    return options


async def _run_while_connected(pool: Pool, task: Task, request: ConversionRequest) -> Outcome:
    """Run a task, and end it when the client has gone: it will ask again, and must not pile up work."""
    work = asyncio.create_task(pool.run(task))
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ApiError(499, "ClientGone", "The client went away.")
        return await work
    finally:
        gone.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait((work,))


async def _disconnected(request: ConversionRequest) -> None:
    message: Any = {}
    while message.get("type") != "http.disconnect":
        message = await request.receive()
