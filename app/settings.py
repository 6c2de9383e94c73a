"""The service's settings: ``TABLECAST_*`` environment variables, read once into a frozen struct."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

__all__ = ["Settings", "SettingsError", "is_loopback"]

_PREFIX = "TABLECAST_"
_ROOT = re.compile(r"^(?:/|file:/|s3[an]?://[^/]+)")


class SettingsError(Exception):
    """A setting is unknown, its value is not understood, or two do not go together; the message says which."""


class Settings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename=lambda name: _PREFIX + name.upper(),
):
    """What the service can be told; each field is the environment variable ``TABLECAST_<FIELD>``.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        roots: Directories (absolute paths or URIs) that requests may read and write under, separated by commas, or a
            JSON list.  The default, the working directory and ``/tmp``, is for a service on a loopback address only.
        workers: Processes that convert, and so conversions at a time; by default the processors, at most four.
        queue: Requests that may wait for a worker; one more is answered 503.
        conversion_timeout: Seconds that a conversion may take before its process is ended (504).
        shutdown_timeout: Seconds that running requests are given when the service is told to stop.
        response_key: Name of the list in the answer: ``conversions`` (the contract's), ``convertedTables`` (what
            XTable's Java service says, and its clients expect), or ``both``.
        log_format: ``text``, ``json``, or ``auto``: text on a terminal, JSON elsewhere.
        log_level: Least severity that is logged.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    roots: tuple[str, ...] = ()
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = msgspec.field(
        default_factory=lambda: min(4, os.cpu_count() or 1)
    )
    queue: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 64
    conversion_timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 600.0
    shutdown_timeout: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 25
    response_key: Literal["conversions", "convertedTables", "both"] = "conversions"
    log_format: Literal["auto", "text", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, host: str | None = None, port: int | None = None
    ) -> Settings:
        """Read the settings.

        Args:
            environment: Variables; the process's own by default.
            host: Takes precedence over the variable.
            port: Takes precedence over the variable.

        Raises:
            SettingsError: A ``TABLECAST_*`` variable is unknown, or a value is not understood.
        """
        given: dict[str, object] = {
            key: value
            for key, value in (os.environ if environment is None else environment).items()
            if key.startswith(_PREFIX)
        }
        roots = given.get(_PREFIX + "ROOTS")
        if isinstance(roots, str):
            given[_PREFIX + "ROOTS"] = _split(roots)
        if host is not None:
            given[_PREFIX + "HOST"] = host
        if port is not None:
            given[_PREFIX + "PORT"] = port
        try:
            settings = msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(_readable(str(error))) from error
        _check(settings)
        return settings

    @property
    def allowed_roots(self) -> tuple[str, ...]:
        """``roots``, or the default for a loopback address."""
        return self.roots or (os.getcwd(), "/tmp")  # noqa: S108, PTH109 - a default that is documented, as text


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(roots: str) -> object:
    if roots.lstrip().startswith("["):
        try:
            return msgspec.json.decode(roots)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{_PREFIX}ROOTS is no JSON list: {error}.") from error
    return [each.strip() for each in roots.split(",") if each.strip()]


def _check(settings: Settings) -> None:
    for root in settings.roots:
        if not _ROOT.match(root):
            msg = f"{_PREFIX}ROOTS: '{root}' is neither an absolute path nor a URI such as s3://bucket/prefix."
            raise SettingsError(msg)
    if not settings.roots and not is_loopback(settings.host):
        msg = (
            f"{_PREFIX}ROOTS must be set when the service listens on {settings.host}: anyone who reaches it could "
            f"convert tables everywhere under the default roots. Example: {_PREFIX}ROOTS=/data,s3://bucket/tables"
        )
        raise SettingsError(msg)


def _readable(error: str) -> str:
    """Msgspec's "Expected `int` - at `$.TABLECAST_PORT`" with the variable first."""
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", error)
    if unknown:
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(Settings))
        return f"{unknown[1]} is no setting. Known: {known}."
    problem, _, place = error.partition(" - at ")
    return f"{place.strip('`').removeprefix('$.')}: {problem}." if place else f"{problem}."
