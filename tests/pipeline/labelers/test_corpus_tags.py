"""`corpus-tags`: log-odds compared with hand-computed values, and labels of planted tags."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.context import SaeContext
from pipeline.labelers.corpus_tags import CorpusTags, tag_matrix, weighted_log_odds
from tests.pipeline.labelers.factory import CONCEPTS


def test_log_odds_match_the_formula_by_hand() -> None:
    # 8 of 10 exemplars, 19 of 99 others; prior of two tracks: p = 19.5 / 100, a = 0.39, b = 1.61.
    # δ = ln(8.39 / 3.61) − ln(19.39 / 81.61) = 0.84338 + 1.43722 = 2.28060
    # σ² = 1/8.39 + 1/3.61 + 1/19.39 + 1/81.61 = 0.46001, z = 2.28060 / 0.67824
    z = weighted_log_odds(np.array([8]), 10, np.array([19]), 99, prior_tracks=2.0)
    assert z[0] == pytest.approx(3.3625, abs=1e-3)


def test_a_tag_as_common_as_everywhere_has_no_log_odds() -> None:
    z = weighted_log_odds(np.array([5]), 10, np.array([50]), 100)
    assert z[0] == pytest.approx(0.0, abs=1e-9)


def test_a_rare_tag_seen_once_does_not_beat_a_common_one_seen_always() -> None:
    rare, common = weighted_log_odds(np.array([1, 10]), 10, np.array([0, 40]), 100)
    assert common > rare > 0


def test_the_best_tag_is_what_the_feature_fires_on(context: SaeContext) -> None:
    best = [row for row in CorpusTags().label(context, context.features[:3]) if row.rank == 1]
    assert [row.text for row in best] == list(CONCEPTS)
    assert "8 of 8 exemplars have the tag" in best[0].description


def test_tags_that_are_not_enriched_fill_up_with_no_confidence(context: SaeContext) -> None:
    rows = list(CorpusTags().label(context, context.features[:1]))
    assert len(rows) == 5
    assert rows[-1].text == "low"
    assert rows[-1].confidence == 0.0


def test_a_reading_is_whether_the_track_has_the_tag(context: SaeContext) -> None:
    reading = CorpusTags().reading(context, ["hiss", "high"])
    assert reading[0].tolist() == [float("hiss" in track.tags) for track in context.tracks]
    names, present = tag_matrix(context)
    np.testing.assert_array_equal(reading[1], present[names.index("high")])
