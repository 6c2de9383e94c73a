"""``tablecast serve``."""

from __future__ import annotations

import click

__all__ = ["serve"]


@click.command(
    epilog="""\b
Examples:
  tablecast serve
  TABLECAST_ROOTS=/data,s3://lake tablecast serve --host 0.0.0.0 --port 8080
Settings are TABLECAST_* environment variables, listed in docs/service.md.""",
)
@click.option("--host", help="Address to listen on; 127.0.0.1 if not set (TABLECAST_HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 8080 if not set (TABLECAST_PORT), 0 for a free one.")
def serve(host: str | None, port: int | None) -> None:
    """Run the REST service until it is interrupted."""
    from app.serving import CannotListen, run  # noqa: PLC0415 - slow
    from app.settings import Settings, SettingsError  # noqa: PLC0415

    try:
        run(Settings.from_environment(host=host, port=port))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except CannotListen as error:
        raise click.ClickException(str(error)) from error
