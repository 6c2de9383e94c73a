"""A table can be read as it was at a former commit, as long as its files are there."""

from __future__ import annotations

import pytest

from converters.errors import InvalidOption
from tests.corpus import Corpus, case
from tests.hudi_source.tables import opened, rows_of, timeline_files
from tests.readers import digest

NAMES = ["hudi/cow_v6", "hudi/cow_v9", "hudi/cow_v9_nomdt", "hudi/clustered", "hudi/overwrites", "hudi/evolve"]


def _times(name: str, corpus: Corpus) -> list[str]:
    ends = (".commit", ".replacecommit")
    return [
        path.name.split(".")[0].split("_")[0] for path in timeline_files(corpus.path(name)) if path.name.endswith(ends)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_commit_is_what_it_was(name: str, corpus: Corpus) -> None:
    times, stages = _times(name, corpus), case(name).stages
    seen = []
    for time in times:
        source = opened(corpus.path(name), as_of=time)
        snapshot = source.snapshot()
        assert snapshot.version == time
        seen.append(digest(rows_of(source, snapshot)))
    # Some stages have several commits, and a clustering changes no rows.
    assert [sha256 for sha256 in dict.fromkeys(seen) if sha256 in {stage.sha256 for stage in stages}] == list(
        dict.fromkeys(stage.sha256 for stage in stages)
    )


def test_a_time_between_commits_is_that_of_the_one_before(corpus: Corpus) -> None:
    times = _times("hudi/cow_v9", corpus)
    assert opened(corpus.path("hudi/cow_v9"), as_of=str(int(times[1]) + 1)).snapshot().version == times[1]


def test_what_was_cleaned_is_refused(corpus: Corpus) -> None:
    times = _times("hudi/cleaned", corpus)
    with pytest.raises(InvalidOption, match="were cleaned at"):
        opened(corpus.path("hudi/cleaned"), as_of=times[0]).snapshot()


@pytest.mark.parametrize("time", ["", "yesterday", "20240101", "x0240101000000000", "20200101000000000"])
def test_other_times_are_refused(time: str, corpus: Corpus) -> None:
    with pytest.raises(InvalidOption, match=r"instant\b|begins"):
        opened(corpus.path("hudi/cow_v9"), as_of=time).snapshot()
