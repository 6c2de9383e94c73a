"""``tablecast completion``."""

from __future__ import annotations

import click

__all__ = ["completion"]


@click.command(
    epilog="""\b
Examples:
  tablecast completion bash >> ~/.bashrc
  tablecast completion zsh >> ~/.zshrc
  tablecast completion fish > ~/.config/fish/completions/tablecast.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a SHELL complete commands, options and formats."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - rarely needed

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "tablecast", "_TABLECAST_COMPLETE").source())
