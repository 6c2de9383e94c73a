"""How a target is brought up to date follows from what the last sync left there."""

import msgspec
import pytest

from converters.formats import TargetTable
from converters.sync.plan import is_up_to_date, why_full
from converters.sync.state import SourceMark, SyncState

MARK = SourceMark(table_id="t", fingerprint="f", settings="s")
WANTED = SyncState(last_instant=7, source_format="DELTA", source_version="7", mark=MARK)


def state(**changes: object) -> SyncState:
    return msgspec.structs.replace(WANTED, **changes)


def target(left_there: SyncState | None, changed: str | None = None, damaged: str | None = None) -> TargetTable:
    return TargetTable(
        version="1", state=left_there, changed=changed, damaged=damaged, metadata_path="", schema_text=""
    )


def test_the_same_version_is_up_to_date() -> None:
    assert is_up_to_date(target(WANTED), WANTED)


@pytest.mark.parametrize(
    "left_there",
    [
        state(source_version="6"),
        state(source_format="HUDI"),
        state(pending_instants=(5,)),
        state(mark=msgspec.structs.replace(MARK, fingerprint="other")),
        state(mark=None),
        None,
    ],
)
def test_another_one_is_not(left_there: SyncState | None) -> None:
    assert not is_up_to_date(target(left_there), WANTED)


def test_nor_is_a_target_that_somebody_changed() -> None:
    assert not is_up_to_date(target(WANTED, "it lost a file"), WANTED)


def test_nor_is_one_that_lost_something() -> None:
    assert not is_up_to_date(target(WANTED, damaged="a manifest list is gone"), WANTED)


@pytest.mark.parametrize(
    "left_there", [state(source_version="6"), state(pending_instants=(5,)), state(source_version="6", last_instant=1)]
)
def test_a_later_version_is_reached_by_its_changes(left_there: SyncState) -> None:
    assert why_full(target(left_there), WANTED, "incremental") is None


@pytest.mark.parametrize(
    "base, mode, reason",
    [
        (None, "incremental", "first sync"),
        (target(None), "incremental", "first sync"),
        (target(state(source_version="6")), "full", "asked for"),
        (target(state(source_version="6"), "it lost a file"), "incremental", "somebody else changed the target: it lo"),
        (target(WANTED, damaged="it lost a list"), "incremental", "the target is damaged: it lost a list"),
        (target(state(mark=None)), "incremental", "the last sync was another tool's"),
        (target(state(source_version=None)), "incremental", "the last sync was another tool's"),
        (target(state(source_format="HUDI")), "incremental", "the last sync was from another table"),
        (
            target(state(mark=SourceMark(table_id="other", fingerprint="f", settings="s"))),
            "incremental",
            "the last sync was from another table",
        ),
        (
            target(state(mark=SourceMark(table_id="t", fingerprint="f"))),
            "incremental",
            "the last sync had other options",
        ),
    ],
)
def test_without_a_history_to_follow_all_files_are_compared(base: TargetTable | None, mode: str, reason: str) -> None:
    assert (why_full(base, WANTED, mode) or "").startswith(reason)
