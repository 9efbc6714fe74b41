"""CLAP's fit from embeddings, held against the definitions in slow lines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from pipeline.clap.base import unit
from pipeline.scorers.clap_fit import BLOCK, fit


def test_score_interval_contrast_and_rank_are_their_definitions() -> None:
    """More features than a block holds, some with one clip or none, texts that several share."""
    rng = np.random.default_rng(0)
    texts, clips = (unit(rng.normal(size=(count, 8))) for count in (40, 60))
    features = BLOCK + 3
    clips_of = [rng.choice(60, size=number % 4, replace=False) for number in range(features)]
    text_of = rng.integers(0, 40, size=3 * features)
    feature_of = rng.permutation(np.repeat(np.arange(features), 3))
    found = fit(texts=texts, clips=clips, clips_of=clips_of, text_of=text_of, feature_of=feature_of)
    for label, (text, feature) in enumerate(zip(text_of, feature_of, strict=True)):
        places = clips_of[feature]
        if not len(places):
            assert np.isnan(found.score[label])
            continue
        cosines = texts[text] @ clips[places].T
        assert found.score[label] == pytest.approx(cosines.mean(), abs=1e-6)
        if len(places) > 1:
            half = t.ppf(0.975, len(places) - 1) * cosines.std(ddof=1) / np.sqrt(len(places))
            assert found.half[label] == pytest.approx(half, abs=1e-5)
        others = texts[text_of[feature_of != feature]] @ clips[places].T
        assert found.contrast[label] == pytest.approx(cosines.mean() - others.mean(), abs=1e-5)
        every = (texts @ clips[places].T).mean(axis=1)
        assert found.rank[label] == 1 + (every > every[text] + 1e-7).sum()
