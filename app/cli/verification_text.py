"""How a verification is printed."""

from __future__ import annotations

import click

import converters
from app.cli.output import place

__all__ = ["verification_text"]

_COLOURS = {"equal": "green", "behind": "yellow", "differs": "red", "unverified": "red"}
_SIGNS = {"ok": ("ok", "green"), "differs": ("DIFFERS", "red"), "not-compared": ("-", "yellow")}


def verification_text(report: converters.VerifyReport) -> str:
    """Each target, each check, and what differs."""
    source = report.source
    lines = [f"{click.style('Verified', bold=True)} against the {source.format} table at {place(source.location)}"]
    for target in report.targets:
        result = click.style(target.result, fg=_COLOURS[target.result], bold=True)
        version = "" if target.version is None else f", version {target.version}"
        against = "" if target.source_version is None else f" (source version {target.source_version})"
        lines += ["", f"{result} {target.format} table at {place(target.location)}{version}{against}"]
        for check in target.checks:
            sign, colour = _SIGNS[check.result]
            lines.append(f"  {click.style(f'{sign:<8}', fg=colour)}{check.name:<12}{check.detail}")
            lines += [f"{'':22}{example}" for example in check.examples]
        if target.error is not None:
            lines.append(f"  {target.error.type}: {target.error.message} {target.error.hint}".rstrip())
    lines += ["", f"{report.seconds:.2f} s"]
    return "\n".join(lines)
