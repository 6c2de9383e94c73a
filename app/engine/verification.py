"""Verifying what a task has converted."""

from __future__ import annotations

import msgspec

import converters
from app.engine.messages import Check, Failure, TargetOutcome, Task, Verification
from converters.storage.location import canonical

__all__ = ["verified"]


def verified(task: Task, targets: tuple[TargetOutcome, ...], storage: converters.Storage) -> tuple[TargetOutcome, ...]:
    """Compare the targets that did not fail with the source; what is wrong becomes their error."""
    good = [target.format for target in targets if target.error is None]
    if not good:
        return targets
    assert task.verify is not None
    try:
        report = converters.verify(
            canonical(task.source),
            good,
            mode="rows" if task.verify == "rows" else "metadata",
            source_format=task.source_format,
            target_path=None if task.target_path is None else canonical(task.target_path),
            options=_options_for(task, good),
            storage=storage,
        )
    except converters.TablecastError as error:
        failure = Failure(type=type(error).__name__, message=error.message, hint=error.hint)
        return tuple(_with(target, None, failure) if target.error is None else target for target in targets)
    found = {each.format: each for each in report.targets}
    return tuple(_with_verification(target, found.get(target.format)) for target in targets)


def _options_for(task: Task, formats: list[str]) -> dict[str, str]:
    """The options without those of targets that are not verified."""
    failed = {name.lower() for name in task.targets} - {name.lower() for name in formats}
    return {key: value for key, value in task.options.items() if key.partition(".target.")[0] not in failed}


def _with_verification(target: TargetOutcome, found: converters.TargetVerification | None) -> TargetOutcome:
    if found is None:
        return target
    checks = tuple(
        Check(name=each.name, result=each.result, detail=each.detail, examples=each.examples) for each in found.checks
    )
    verification = Verification(result=found.result, source_version=found.source_version, checks=checks)
    error = found.failure
    failure = None if error is None else Failure(type=error.type, message=error.message, hint=error.hint)
    return _with(target, verification, failure)


def _with(target: TargetOutcome, verification: Verification | None, failure: Failure | None) -> TargetOutcome:
    return msgspec.structs.replace(target, verification=verification, error=failure)
