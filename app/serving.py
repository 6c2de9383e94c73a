"""Running the service with uvicorn."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from typing import TYPE_CHECKING

import click

from app.engine.pool import Pool, new_pool
from app.settings import Settings

if TYPE_CHECKING:
    import uvicorn

__all__ = ["CannotListen", "run"]


class CannotListen(Exception):  # noqa: N818 - says what happened
    """The address cannot be listened on; the message says why and what to do."""


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CannotListen: The address is taken, or not this machine's.
    """
    with _listen(settings.host, settings.port) as listener:
        # While the server runs it has handlers of its own; after it has stopped it raises the signal again, for these.
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, _stop)
        asyncio.run(_serve(settings, listener))


def _stop(*_: object) -> None:
    raise SystemExit(0)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with new_pool(settings).running() as pool:
        # The first worker gets ready while this process still imports its server.
        server = await asyncio.to_thread(_server, settings, listener, pool)
        await server.serve(sockets=[listener])


def _server(settings: Settings, listener: socket.socket, pool: Pool) -> uvicorn.Server:
    import uvicorn  # noqa: PLC0415 - slow

    from app.server import build  # noqa: PLC0415

    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                click.echo(f"Tablecast listens on {address} (documentation: {address}/docs)", err=True)
                click.echo(f"It reads and writes under: {', '.join(settings.allowed_roots)}", err=True)

    config = uvicorn.Config(
        build(settings, pool),
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=settings.shutdown_timeout,
    )
    return Server(config)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not socket.create_server: asyncio switches Nagle's algorithm off, which else costs 40 ms an answer, only for
        # sockets that name their protocol.
        listener = socket.socket(family, kind, protocol)
    except socket.gaierror as error:
        raise CannotListen(f"The host '{host}' is unknown.") from error
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} on {host} is in use. Choose another: tablecast serve --port {port + 1}"
        elif error.errno == errno.EACCES:
            message = f"Port {port} may not be used by this user. Choose one above 1023: tablecast serve --port 8080"
        elif error.errno == errno.EADDRNOTAVAIL:
            message = f"{host} is no address of this machine."
        else:
            message = f"Cannot listen on {host}:{port}: {error.strerror}."
        listener.close()
        raise CannotListen(message) from error
    return listener
