"""The contract of every labeling method."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import LABELERS, labeler
from pipeline.store.tables import LabelCandidate
from tests.essentia import marked

every_method = pytest.mark.parametrize("method", marked(LABELERS))
HEARS = ("descriptors", "corpus-tags", "essentia", "essentia-relative", "ensemble")
"""Methods whose labels must stand out in their exemplars by their own reading."""


def labels(context: SaeContext, method: str) -> list[LabelCandidate]:
    return list(labeler(method).label(context, context.features))


@every_method
def test_features_come_in_order_with_ranks_from_one_and_distinct_texts(
    context: SaeContext, method: str
) -> None:
    rows = labels(context, method)
    names = [feature.feature for feature in context.features]
    assert list(dict.fromkeys(row.feature for row in rows)) == names
    for name in names:
        own = [row for row in rows if row.feature == name]
        assert [row.rank for row in own] == list(range(1, len(own) + 1))
        assert len({row.text for row in own}) == len(own)
        assert len(own) <= context.config.labels.candidates


@every_method
def test_a_named_feature_has_at_least_five_candidates_with_confidence_from_0_to_1(
    context: SaeContext, method: str
) -> None:
    rows = [row for row in labels(context, method) if row.status == "ok"]
    for name in {row.feature for row in rows}:
        own = [row for row in rows if row.feature == name]
        assert len(own) >= 5
        assert all(row.text and row.description and not row.reason for row in own)
        assert all(0.0 <= row.confidence <= 1.0 for row in own)
        assert own[0].confidence == max(row.confidence for row in own)


@every_method
def test_a_feature_without_exemplars_fails_with_a_reason_and_no_text(
    context: SaeContext, method: str
) -> None:
    last = [row for row in labels(context, method) if row.feature.endswith("/4")]
    assert [(row.status, row.text, row.confidence) for row in last] == [("failed", "", 0.0)]
    assert last[0].reason == "the feature has no exemplars"


@every_method
def test_every_text_reads_every_usable_track(context: SaeContext, method: str) -> None:
    texts = sorted({row.text for row in labels(context, method) if row.text})
    reading = labeler(method).reading(context, texts)
    if method in ("gemini", "audio-chat", "captioner", "free-text"):
        assert reading is None
        return
    assert reading is not None
    assert reading.shape == (len(texts), len(context.tracks))
    assert np.isfinite(reading).all()
    swapped = labeler(method).reading(context, texts[::-1])
    assert swapped is not None
    np.testing.assert_array_equal(swapped[::-1], reading)


@every_method
def test_no_text_is_read_in_no_row(context: SaeContext, method: str) -> None:
    reading = labeler(method).reading(context, [])
    assert reading is None or reading.shape == (0, len(context.tracks))


@pytest.mark.parametrize("method", marked(HEARS))
def test_the_best_label_reads_higher_in_the_exemplars_than_in_the_corpus(
    context: SaeContext, method: str
) -> None:
    for row in labels(context, method):
        if row.rank == 1 and row.status == "ok":
            heard = labeler(method).reading(context, [row.text])
            assert heard is not None
            reading = heard[0]
            exemplars = reading[context.exemplar_places(row.feature)]
            assert exemplars.mean() > reading.mean()


@every_method
def test_the_same_context_gives_the_same_candidates(context: SaeContext, method: str) -> None:
    assert labels(context, method) == labels(context, method)


@every_method
def test_one_feature_alone_is_named_as_among_others(context: SaeContext, method: str) -> None:
    alone = list(labeler(method).label(context, context.features[1:2]))
    name = context.features[1].feature
    assert alone == [row for row in labels(context, method) if row.feature == name]


@pytest.mark.parametrize("method", marked([*HEARS, "essentia-paper", "random-label"]))
def test_a_text_that_the_method_could_not_have_given_is_refused(
    context: SaeContext, method: str
) -> None:
    with pytest.raises(PipelineError, match="xylophone soup"):
        labeler(method).reading(context, ["xylophone soup"])


@every_method
def test_rows_in_the_file_are_those_of_the_method_with_distinct_names(
    context: SaeContext, method: str
) -> None:
    rows = context.labels(method)
    given = {(row.feature, row.text) for row in labels(context, method)}
    assert {(row.feature, row.text) for row in rows} <= given
    named = [(row.feature, row.name) for row in rows if row.status == "ok"]
    assert all(name for _, name in named)
    assert len(set(named)) == len(named)


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PipelineError, match=r"astrology.*descriptors, corpus-tags"):
        labeler("astrology")


def test_a_variant_of_a_method_that_has_none_is_refused() -> None:
    with pytest.raises(PipelineError, match="descriptors has no variants"):
        labeler("descriptors@large")
