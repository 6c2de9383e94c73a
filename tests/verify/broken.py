"""Converted tables, and ways to break them that their format's readers do not notice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import converters
from converters.verification import Check, TargetVerification

__all__ = ["Action", "check_of", "edit_adds", "edit_log", "edit_schema", "verified"]

Action = dict[str, Any]


def verified(table: Path, target: str, **more: Any) -> TargetVerification:
    """The verification of a table's one target."""
    (found,) = converters.verify(str(table), [target], **more).targets
    return found


def check_of(found: TargetVerification, name: str) -> Check:
    """One check of a verification."""
    (check,) = [each for each in found.checks if each.name == name]
    return check


def edit_log(table: Path, change: Callable[[Action], Iterator[Action]]) -> None:
    """Replace each action of a Delta table's only commit by what ``change`` makes of it."""
    (log,) = (table / "_delta_log").glob("*.json")
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    changed = [new for action in actions for new in change(action)]
    log.write_text("".join(json.dumps(action) + "\n" for action in changed))


def edit_adds(table: Path, change: Callable[[Action], None], *, first: int = 1) -> None:
    """Change the first so many ``add`` actions in place; ``stats`` are an object here."""
    left = first

    def edited(action: Action) -> Iterator[Action]:
        nonlocal left
        if "add" in action and left:
            left -= 1
            add = action["add"]
            add["stats"] = json.loads(add["stats"])
            change(add)
            add["stats"] = json.dumps(add["stats"])
        yield action

    edit_log(table, edited)
    assert not left


def edit_schema(table: Path, change: Callable[[list[Action]], None]) -> None:
    """Change the list of a Delta table's columns in place."""

    def edited(action: Action) -> Iterator[Action]:
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            change(schema["fields"])
            action["metaData"]["schemaString"] = json.dumps(schema)
        yield action

    edit_log(table, edited)
