"""Essentia's classifiers: values against a reference, what a missing file says, what pools."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.essentia_models import metadata
from pipeline.essentia_models.predict import as_matrix
from pipeline.labelers.base import LabelingContext
from pipeline.labelers.essentia_tags import Tags, pooled, readable
from tests.pipeline.frozen_graphs import HEADS
from tests.pipeline.labelers.factory import Outside


def test_node_names_and_classes_are_read_from_each_models_own_json(
    context: LabelingContext,
) -> None:
    heads = {head.name: head for head in metadata.heads(context.config.essentia)}
    assert {name: list(head.classes) for name, head in heads.items()} == {
        name: classes for name, (classes, _, _) in HEADS.items()
    }
    assert heads["danceability-discogs-effnet-1"].output == "model/Softmax"
    assert heads["tonal_atonal-msd-musicnn-1"].embedding.output == "model/dense/BiasAdd"


@pytest.mark.parametrize("name", ["danceability-discogs-effnet-1.pb", "msd-musicnn-1.json"])
def test_a_missing_file_is_named_with_where_it_goes(
    context: LabelingContext, outside: Outside, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(outside.essentia, tmp_path / "models"))
    (folder / name).unlink()
    config = replace(context.config.essentia, models=folder)
    with pytest.raises(PipelineError, match=f"{name} is missing: get it from .* into {folder}"):
        metadata.fingerprint(config)


def test_the_top_tags_of_every_head_are_pooled_and_a_text_comes_once() -> None:
    tags = Tags(("a", "b", "c", "a", "d"), ("one", "one", "one", "two", "two"), np.zeros((5, 1)))
    means = np.array([0.9, 0.2, 0.1, 0.8, 0.3])
    assert [tags.texts[row] for row in pooled(tags, means, 2)] == ["a", "d", "b"]


def test_a_class_is_read_as_a_person_says_it() -> None:
    assert readable("Electronic---Deep_House") == "deep house"
    assert readable("not_danceable") == "not danceable"


def test_tokens_are_averaged_or_laid_side_by_side_as_the_head_wants() -> None:
    tokens = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 1, 4, 3)
    np.testing.assert_allclose(as_matrix(tokens, 3), tokens[:, 0].mean(axis=1))
    wide = as_matrix(tokens, 9)
    np.testing.assert_allclose(wide[:, :3], tokens[:, 0, 0])
    np.testing.assert_allclose(wide[:, 6:], tokens[:, 0, 2:].mean(axis=1))
