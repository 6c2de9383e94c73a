"""Reading a conversion request's body: what is wrong with it is said by field, before anything else is done."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from app.access import limits
from app.api.contract import ConvertTableRequest
from app.api.errors import ApiError

__all__ = ["ConversionRequest", "read_request"]

_ALIAS = "target-format"
_MOST_DRAINED = 16 * 2**20


class ConversionRequest(Request[Any, Any, Any]):
    """A request whose JSON is a ``ConvertTableRequest``."""

    __slots__ = ()

    async def body(self) -> bytes:
        """The body, if it claims to be JSON and is there.

        Raises:
            ApiError: 415 or 400.
        """
        if self.content_type[0].lower() != "application/json":
            # Also what keeps other sites' pages from posting here through a browser, which asks before it sends JSON.
            message = "The request's content type must be application/json."
            raise ApiError(415, "UnsupportedMediaType", message, hint="Send the header Content-Type: application/json.")
        try:
            body = await super().body()
        except RequestEntityTooLarge:
            await self._drain()
            raise
        if not body:
            raise ApiError(400, "InvalidRequest", "The request has no body.", hint="Send a JSON object.")
        return body

    async def _drain(self) -> None:
        """Take what is being sent, up to a point: a client that is cut off while it sends may not see the answer."""
        if "expect" in self.headers:
            return  # it has not begun to send, and need not
        taken = 0
        while taken < _MOST_DRAINED:
            message: Any = await self.receive()
            taken += len(message.get("body", b""))
            if not message.get("more_body"):
                return

    async def json(self) -> ConvertTableRequest:
        """The body, read.

        Raises:
            ApiError: 400, naming the field.
        """
        return read_request(await self.body())


def read_request(body: bytes) -> ConvertTableRequest:
    """Decode a request.

    XTable's Java service also takes ``target-format`` for ``target-formats``, and its clients send null for what they
    leave out; a single format may stand without brackets.

    Raises:
        ApiError: 400, naming the field.
    """
    try:
        given = msgspec.json.decode(body)
    except RecursionError:
        raise ApiError(400, "InvalidRequest", "The request's JSON is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "InvalidRequest", f"The request's body is no JSON: {error}.") from None
    if isinstance(given, dict):
        formats = given.pop(_ALIAS, None)
        formats = given.setdefault("target-formats", formats)
        if isinstance(formats, str):
            given["target-formats"] = [formats]
        if formats is None:
            del given["target-formats"]
    try:
        return msgspec.convert(given, ConvertTableRequest)
    except msgspec.ValidationError as error:
        raise ApiError(400, "InvalidRequest", _readable(str(error), given)) from None


def _readable(error: str, given: Any) -> str:
    """Msgspec's "Expected `array`, got `int` - at `$.target-formats`" with the field first."""
    missing = re.fullmatch(r"Object missing required field `(.*)`", error)
    if missing:
        return f"The request lacks the field '{missing[1]}'."
    problem, _, place = error.partition(" - at ")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    if place == "configurations[...]":
        place = f"configurations.{_wrong_configuration(given['configurations'])}"
    for code, word in (("`", ""), ("Expected str", "expected a string"), ("Expected", "expected"), ("int", "a number")):
        problem = problem.replace(code, word)
    return f"The request's field '{place}' is wrong: {problem}." if place else f"The request is wrong: {problem}."


def _wrong_configuration(configurations: dict[str, object]) -> str:
    for key, value in configurations.items():
        if not isinstance(value, str) or len(value) > limits.CONFIGURATION_VALUE or not 1 <= len(key) <= limits.NAME:
            return key[: limits.NAME]
    return "..."
