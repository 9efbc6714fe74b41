"""Essentia's classifiers: values compared with a reference, missing files, pooling of tags."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import EssentiaConfig
from pipeline.context import SaeContext
from pipeline.errors import PipelineError
from pipeline.labelers import labeler
from pipeline.labelers.essentia import metadata
from pipeline.labelers.essentia.labeler import Tags, advice, pooled, readable
from pipeline.labelers.essentia.predict import Predictors, as_matrix
from tests.essentia import needs_essentia
from tests.pipeline.labelers.essentia.frozen_graphs import (
    HEADS,
    MAEST_CLASSES,
    MAEST_FRAMES,
    MAEST_HEAD,
    MAEST_HOP,
    MAEST_TOKENS,
    WIDTH,
    drawn,
    maest_weights,
    save_tiny_maest,
)
from tests.pipeline.labelers.essentia.simulation import TRACKS, Simulation, simulate
from tests.pipeline.labelers.factory import Outside


def test_node_names_and_classes_are_read_from_each_models_own_json(
    context: SaeContext,
) -> None:
    heads = {head.name: head for head in metadata.heads(context.config.essentia)}
    assert {name: list(head.classes) for name, head in heads.items()} == {
        name: classes for name, (classes, _, _) in HEADS.items()
    }
    assert heads["danceability-discogs-effnet-1"].output == "model/Softmax"
    assert heads["tonal_atonal-msd-musicnn-1"].embedding.output == "model/dense/BiasAdd"


@pytest.mark.parametrize("name", ["danceability-discogs-effnet-1.pb", "msd-musicnn-1.json"])
def test_a_missing_file_is_named_with_where_it_goes(
    context: SaeContext, outside: Outside, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(outside.essentia, tmp_path / "models"))
    (folder / name).unlink()
    config = replace(context.config.essentia, models=folder)
    with pytest.raises(PipelineError, match=f"{name} is missing: get it from .* into {folder}"):
        metadata.fingerprint(config)


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("simulation"))


def texts(simulation: Simulation, method: str) -> dict[str, list[str]]:
    """The candidates of each feature, best first."""
    context = simulation.context
    found: dict[str, list[str]] = {feature: [] for feature in simulation.planted}
    for row in labeler(method).label(context, context.features):
        found[row.feature].append(row.text)
    return found


def share_first(simulation: Simulation, found: dict[str, list[str]]) -> float:
    planted = simulation.planted
    return sum(found[name][0] == text for name, text in planted.items()) / len(planted)


def two_class_share(simulation: Simulation, found: dict[str, list[str]], ranks: int = 4) -> float:
    either = frozenset().union(*simulation.pairs)
    return float(np.mean([text in either for own in found.values() for text in own[:ranks]]))


def test_the_class_that_was_planted_comes_first_and_two_class_heads_stay_behind(
    simulation: Simulation,
) -> None:
    found = texts(simulation, "essentia")
    assert share_first(simulation, found) >= 0.95
    assert two_class_share(simulation, found) <= 0.05
    assert min(map(len, found.values())) >= 5
    assert share_first(simulation, texts(simulation, "essentia-relative")) >= 0.9


@pytest.mark.parametrize("method", ["essentia", "essentia-paper", "essentia-relative"])
def test_a_class_never_stands_beside_its_opposite(simulation: Simulation, method: str) -> None:
    for own in texts(simulation, method).values():
        assert not any(pair <= set(own) for pair in simulation.pairs)


def test_the_papers_ranking_is_by_probability_whatever_all_music_has(
    simulation: Simulation,
) -> None:
    """Why it is not the default: for nearly all features, ranks 1 to 4 are two-class heads."""
    found = texts(simulation, "essentia-paper")
    assert two_class_share(simulation, found) > 0.5
    assert share_first(simulation, found) < 0.05


def test_every_class_of_every_head_reads_nothing_where_nothing_is_asked(
    simulation: Simulation,
) -> None:
    for method in ("essentia", "essentia-paper", "essentia-relative"):
        reading = labeler(method).reading(simulation.context, [])
        assert reading is not None
        assert reading.shape == (0, TRACKS)


def test_the_top_tags_of_every_head_are_pooled_and_a_text_comes_once() -> None:
    heads = ("one", "one", "one", "two", "two", "two")
    tags = Tags(("a", "b", "c", "a", "d", "e"), heads, np.zeros((6, 1)))
    means = np.array([0.9, 0.2, 0.1, 0.8, 0.3, 0.0])
    assert [tags.texts[row] for row in pooled(tags, means, 2)] == ["a", "d", "b"]


def test_of_a_head_with_two_classes_one_is_pooled() -> None:
    tags = Tags(("yes", "no", "a", "b", "c"), ("two",) * 2 + ("three",) * 3, np.zeros((5, 1)))
    means = np.array([0.6, 0.4, 0.3, 0.2, 0.1])
    assert [tags.texts[row] for row in pooled(tags, means, 3)] == ["yes", "a", "b", "c"]


def test_a_run_labelled_before_the_ranking_changed_is_not_continued_under_the_same_name(
    context: SaeContext,
) -> None:
    """Its key had the models' files only."""
    named = labeler("essentia").outside(context.config)["essentia"]
    assert named != metadata.fingerprint(context.config.essentia)
    assert "the paper's is essentia-paper" in named


def test_a_class_is_read_as_a_person_says_it() -> None:
    assert readable("Electronic---Deep_House") == "deep house"
    assert readable("not_danceable") == "not danceable"


@needs_essentia
@pytest.mark.parametrize("side_by_side", [True, False])
def test_maest_gives_what_its_graph_says_of_layer_7(tmp_path: Path, side_by_side: bool) -> None:
    """A real frozen graph, held against the same sums in numpy on Essentia's own mel bands."""
    import essentia.standard as standard

    width = (3 if side_by_side else 1) * WIDTH
    config = EssentiaConfig(models=save_tiny_maest(tmp_path, width=width), heads=(MAEST_HEAD,))
    (head,) = metadata.heads(config)
    assert head.embedding.output == "PartitionedCall/Identity_7"
    predictors = Predictors(tmp_path, [head])
    assert predictors.sample_rates == {16_000}
    sound = np.random.default_rng(0).normal(scale=0.1, size=7 * 16_000).astype(np.float32)
    found = predictors.tags({16_000: sound})[MAEST_HEAD]
    bands = standard.TensorflowInputMusiCNN()
    frames = standard.FrameGenerator(sound, frameSize=512, hopSize=256)
    mel = np.stack([bands(frame) for frame in frames])
    assert found == pytest.approx(by_hand(mel, side_by_side), abs=1e-5)
    assert found.std() > 1e-3


def by_hand(mel: np.ndarray, side_by_side: bool) -> np.ndarray:
    """Probabilities from mel bands [frame, band]: a last patch is filled by repeating it. The mean
    and spread are those that MAEST was trained with."""
    mel = (mel - 2.06755686098554) / (2 * 1.268292820667291)
    patches = []
    for start in range(0, len(mel), MAEST_HOP):
        patch = mel[start : start + MAEST_FRAMES]
        patches.append(np.resize(patch, (MAEST_FRAMES, patch.shape[1])))
    tokens = np.stack(patches).reshape(len(patches), MAEST_TOKENS, -1, 96).mean(axis=2)
    layer = tokens @ maest_weights(7)
    rows = layer.mean(axis=1)
    if side_by_side:
        rows = np.concatenate([layer[:, 0], layer[:, 1], layer[:, 2:].mean(axis=1)], axis=1)
    logits = rows @ drawn(MAEST_HEAD, (rows.shape[1], len(MAEST_CLASSES)))
    return (1 / (1 + np.exp(-logits))).mean(axis=0)


def test_tokens_are_averaged_or_laid_side_by_side_as_the_head_wants() -> None:
    tokens = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 1, 4, 3)
    np.testing.assert_allclose(as_matrix(tokens, 3), tokens[:, 0].mean(axis=1))
    wide = as_matrix(tokens, 9)
    np.testing.assert_allclose(wide[:, :3], tokens[:, 0, 0])
    np.testing.assert_allclose(wide[:, 6:], tokens[:, 0, 2:].mean(axis=1))


def test_where_there_is_no_wheel_the_package_is_not_offered() -> None:
    assert advice((3, 11)) == "pip install '.[essentia]'"
    assert "its wheel is for Python 3.11 only, and this is Python 3.13;" in advice((3, 13))
