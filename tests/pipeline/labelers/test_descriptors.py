"""`descriptors`: scores, effects, choice of phrases, and labels of planted sounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.auroc import auroc_matrix
from pipeline.cache import SharedTables
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers.descriptors import (
    Descriptors,
    Scores,
    choose,
    effect_sizes,
    normal_scores,
    standardised,
)
from pipeline.labelers.vocabulary import PHRASES, VOCABULARY, WORDS
from pipeline.signal.describe import DESCRIPTORS
from pipeline.store.run_directory import RunDirectory


def plain_scores(names: list[str], normal: np.ndarray) -> Scores:
    normal = np.asarray(normal, dtype=float)
    return Scores(
        tuple(names), normal, normal, np.zeros(len(names)), np.atleast_2d(np.corrcoef(normal))
    )


def test_every_descriptor_has_words_and_every_phrase_is_distinct() -> None:
    assert sorted(WORDS) == sorted(DESCRIPTORS)
    ends = [phrase for words in VOCABULARY for phrase in (words.high, words.low) if phrase]
    assert len(ends) == len(set(ends)) == len(PHRASES)
    assert len({words.family for words in VOCABULARY}) >= 10


def test_normal_scores_are_quantiles_of_mid_ranks() -> None:
    reference = np.array([1.0, 2.0, 2.0, 5.0])
    scores = normal_scores(np.array([0.0, 2.0, 9.0, np.nan]), reference)
    expected = norm.ppf([0.5 / 5, 2.5 / 5, 4.5 / 5])
    np.testing.assert_allclose(scores[:3], expected)
    assert scores[3] == 0.0


def test_effect_size_by_hand() -> None:
    # Ten scores, half 1 and half 2: mean 15 / (10 + 5) = 1; variance (4 + 2.5) / (4 + 9) = 0.5.
    normal = np.array([[1.0, 2.0] * 5])
    assert effect_sizes(normal)[0] == pytest.approx(1 / np.sqrt(1.5))


def test_fewer_exemplars_say_less_and_agreement_says_more() -> None:
    many, few = effect_sizes(np.full((1, 10), 1.5)), effect_sizes(np.full((1, 3), 1.5))
    spread = effect_sizes(np.array([[0.0, 3.0] * 5]))
    assert many > few > 0
    assert many > spread


def test_one_family_gives_one_phrase_and_the_strongest() -> None:
    generator = np.random.default_rng(0)
    names = ["brightness", "rolloff", "tempo", "minor", "echo", "tremolo", "vibrato"]
    scores = plain_scores(names, generator.normal(size=(7, 200)))
    chosen = choose(np.array([2.0, 1.9, 1.0, 0.5, 0.4, 0.3, 0.2]), scores, 10)
    assert [names[row] for row in chosen] == [name for name in names if name != "rolloff"]


def test_correlated_descriptors_are_merged_until_too_few_are_left() -> None:
    generator = np.random.default_rng(0)
    names = ["tempo", "minor", "tremolo", "vibrato", "growth", "decay"]
    normal = generator.normal(size=(6, 200))
    normal[1] = -normal[0]
    effects = np.array([2.0, 1.9, 1.0, 0.5, 0.4, 0.3])
    assert choose(effects, plain_scores(names, normal), 10) == [0, 2, 3, 4, 5]
    assert choose(effects[:5], plain_scores(names[:5], normal[:5]), 10) == [0, 2, 3, 4, 1]


def test_an_end_without_words_is_never_chosen() -> None:
    scores = plain_scores(["echo", "tempo"], np.random.default_rng(0).normal(size=(2, 50)))
    assert choose(np.array([-3.0, -1.0]), scores, 10) == [1]


def test_a_descriptor_that_does_not_vary_is_no_word() -> None:
    values = np.stack([np.arange(40.0), np.ones(40), np.full(40, np.nan)])
    scores = standardised(["tempo", "minor", "stereo_width"], values, np.ones(40, bool))
    assert scores.names == ("tempo",)


def test_the_planted_sounds_get_their_words(context: SaeContext) -> None:
    rows = list(Descriptors().label(context, context.features[:3]))
    high = [row.text for row in rows if row.feature.endswith("/0")]
    pulsing = [row.text for row in rows if row.feature.endswith("/2")]
    assert {"high-pitched", "thin, tinny sound"} & set(high[:5])
    assert pulsing[0] == "pulsing, wobbling volume"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("high-pitched", "high"),
        ("low-pitched", "low"),
        ("steady background hiss", "hiss"),
        ("pulsing, wobbling volume", "pulsing"),
    ],
)
def test_a_phrase_reads_the_tracks_that_it_is_true_of(
    context: SaeContext, text: str, tag: str
) -> None:
    reading = Descriptors().reading(context, [text])
    planted = np.array([[tag in track.tags] for track in context.tracks])
    assert auroc_matrix(reading.T, planted)[0, 0] > 0.95


def test_opposite_ends_read_opposite_and_a_mono_corpus_reads_nothing_of_stereo(
    context: SaeContext,
) -> None:
    high, low, wide = Descriptors().reading(
        context, ["high-pitched", "low-pitched", "wide stereo sound"]
    )
    np.testing.assert_array_equal(high, -low)
    assert not wide.any()
    is_high = np.array(["high" in track.tags for track in context.tracks])
    assert high[is_high].min() > high[~is_high].max()


def test_a_run_without_the_measured_table_is_refused(
    context: SaeContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from dataclasses import replace

    elsewhere = RunDirectory(tmp_path_factory.mktemp("empty"))
    bare = replace(context, tables=SharedTables(elsewhere))
    with pytest.raises(PipelineError, match=r"descriptors\.parquet is missing"):
        Descriptors().reading(bare, ["slow pace"])
