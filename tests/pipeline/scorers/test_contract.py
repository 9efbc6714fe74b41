"""What every scorer must keep to, on the labels of every method."""

from __future__ import annotations

import pytest

from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import LABELERS
from pipeline.scorers import SCORERS, scorer
from pipeline.store.tables import ScoreRecord
from tests.essentia import marked

every_scorer = pytest.mark.parametrize("name", list(SCORERS))
every_method = pytest.mark.parametrize("method", marked(LABELERS))


def scores(context: SaeContext, name: str, method: str) -> list[ScoreRecord]:
    return list(scorer(name).score(context, method))


@every_scorer
@every_method
def test_every_label_has_one_record_in_its_order(
    labelled: SaeContext, name: str, method: str
) -> None:
    rows = scores(labelled, name, method)
    expected = [(r.feature, r.rank) for r in labelled.labels(method) if r.status == "ok"]
    assert [(row.feature, row.rank) for row in rows] == expected
    assert {row.method for row in rows} == {method}


@every_scorer
@every_method
def test_a_score_lies_in_its_interval_and_a_failure_has_a_reason_and_no_figures(
    labelled: SaeContext, name: str, method: str
) -> None:
    for row in scores(labelled, name, method):
        figures = (row.score, row.low, row.high)
        if row.status == "ok":
            assert None not in figures
            assert row.low <= row.score <= row.high
            assert not row.reason
            assert row.n_positive > 0
            assert row.interval
        else:
            assert figures == (None, None, None)
            assert row.contrast is None
            assert row.reason


@every_scorer
@every_method
def test_some_label_is_graded_unless_the_method_cannot_be(
    labelled: SaeContext, name: str, method: str
) -> None:
    graded = [row for row in scores(labelled, name, method) if row.status == "ok"]
    deaf = name == "reading" and method in ("gemini", "audio-chat", "captioner", "free-text")
    assert bool(graded) != deaf
    assert all(row.comparable == (name != "reading") for row in graded)
    assert all(row.held_out == (name != "clap") for row in graded)


@every_scorer
@every_method
def test_the_same_context_gives_the_same_records(
    labelled: SaeContext, name: str, method: str
) -> None:
    assert scores(labelled, name, method) == scores(labelled, name, method)


def test_an_unknown_scorer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PipelineError, match=r"gut feeling.*detection"):
        scorer("gut feeling")
