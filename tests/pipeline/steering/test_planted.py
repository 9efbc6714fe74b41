"""A direction that was planted into the model's own heads wins; another one does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.clap.transformers_backend import TransformersClap
from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.sae.checkpoint import SaeFacts, StoredSae
from pipeline.sae.model import TopKSae
from pipeline.steering import concepts as planted
from pipeline.steering import evaluation, table
from pipeline.steering.causal import ablation_records
from pipeline.steering.hearing import Ear, embed
from pipeline.steering.interventions import INTERVENTIONS, PAIR, Material, asked
from pipeline.steering.layers import placed
from pipeline.steering.output_score import output_scores, pieces
from pipeline.steering.plan import planned
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.vectors import orthogonal
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import FeatureRecord
from pipeline.subjects.base import DELAY_MAPPING, Intervention, Request, SteeringVector
from pipeline.subjects.transformers_backend import TransformersSubject
from tests.pipeline.clap.tiny_clap import save_tiny_clap

POINT = "decoder.layers.2.resid_post"
SECONDS = 0.4
PLANTED, OTHER = "sae/0", "sae/1"
CODES = {PLANTED: (3, 17, 40, 55), OTHER: (60, 5, 22, 31)}
"""The codes that the exemplars of each feature consist of."""
CONFIG = EvaluationConfig(
    features=2, alphas=(0.5, 1.0), takes=3, seconds=SECONDS, prompt="", random_directions=8,
    interventions=(
        "add", "clamp", "ablate-asked", "random-ablation", "random-direction", "random-feature",
        "equal-rate-feature",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def subject(speaking_folder: Path) -> TransformersSubject:
    """The random MusicGen whose heads prefer the codes of `PLANTED` along one direction of their
    input: it was added to the row of each of these codes."""
    made = TransformersSubject(SubjectConfig(model=str(speaking_folder), hookpoints=(POINT,)))
    with torch.no_grad():
        for head, code in zip(made._language_model.lm_heads, CODES[PLANTED], strict=True):
            head.weight[code] += 3.0 * direction()
    return made


def direction() -> torch.Tensor:
    drawn = torch.randn(32, generator=torch.Generator().manual_seed(3))
    # Without a mean, which the final LayerNorm would remove.
    return torch.nn.functional.normalize(drawn - drawn.mean(), dim=0)


@pytest.fixture(scope="module")
def material(subject: TransformersSubject) -> Material:
    """A dictionary of 16 random directions, of which the first is the planted one."""
    sae = TopKSae(32, 16, 4)
    sae.initialise(torch.Generator().manual_seed(1), torch.zeros(32))
    with torch.no_grad():
        sae.W_dec[0] = direction()
        sae.W_enc.copy_(sae.W_dec.T)
    facts = SaeFacts(POINT, subject.facts.fingerprint, DELAY_MAPPING, 50.0, 3, 1.0)
    rows = [
        FeatureRecord(f"sae/{index}", "sae", POINT, index, 0.1, 10, 1.0, 2.0, True, "")
        for index in range(4)
    ]
    return Material(
        config=CONFIG,
        stored=StoredSae("sae", sae.requires_grad_(False), facts),
        features={row.feature: row for row in rows},
        betas={row.feature: 12.0 for row in rows} | {f"{PAIR}tempo": 5.0},
        labels={PLANTED: "slow piano"},
        neighbours={PLANTED: OTHER},
        exemplar_means=lambda: {row.feature: torch.arange(32.0) for row in rows},
        pairs={f"{PAIR}tempo": torch.nn.functional.normalize(torch.arange(32.0), dim=0)},
    )


@pytest.fixture(scope="module")
def effects(
    subject: TransformersSubject, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> table.Effects:
    folder = tmp_path_factory.mktemp("planted")
    clap = TransformersClap(str(save_tiny_clap(folder / "clap")))
    ear = Ear(clap, subject, material.stored, np.arange(4), planted.NONE)
    clips = planned(CONFIG, material, [PLANTED, OTHER])
    found = evaluation.heard(
        ear, clips, RunDirectory(folder).scratch("planted"), stamp="", seconds=SECONDS, rows=16,
        progress=SilentProgress(),
    )  # fmt: skip
    exemplars = {}
    for name, codes in CODES.items():
        frames = torch.tensor(codes)[None, :, None].expand(1, 4, 20)
        exemplars[name] = embed(clap, subject.play(frames)[0].numpy(), subject.facts.sample_rate)
    aims = evaluation.aims_of([PLANTED, OTHER], material.betas, exemplars, {}, {}, {})
    return table.Effects(
        list(evaluation.effects(ear, clips, found, aims, np.ones(4), config=CONFIG))
    )


def test_the_planted_direction_wins_and_a_random_one_does_not(effects: table.Effects) -> None:
    found = {
        (row.feature, row.intervention): row
        for row in table.slope_records(effects)
        if row.measure == "similarity"
    }
    won = found[PLANTED, "add"]
    assert won.random_below == won.random_directions == 8
    assert won.q <= 0.05
    assert won.low is not None
    assert won.low > 0
    for loser in ((OTHER, "add"), (PLANTED, "random-direction"), (OTHER, "random-direction")):
        assert found[loser].q > 0.05
    # A clamp of a latent that is silent adds the same vector.
    assert found[PLANTED, "clamp"].slope == pytest.approx(won.slope, rel=0.5)


def test_table_two_counts_it_beside_random_directions(effects: table.Effects) -> None:
    rows = {row.intervention: row for row in table.improved_records("sae", effects, 4)}
    add = rows["add"]
    assert (add.kept, add.tried, add.seeds, add.random_tried) == (4, 2, 3, 2)
    assert effects.improved("add")[PLANTED].all()
    assert add.low < add.improved / add.tried <= add.high
    assert 0 <= add.pool_share <= 1
    assert rows["random-direction"].improved == add.random_improved


def test_an_ablation_is_compared_with_a_random_one_in_the_same_music(
    effects: table.Effects,
) -> None:
    """Only the feature with a label has music that was asked for."""
    (row,) = [one for one in ablation_records("sae", effects) if one.measure == "similarity"]
    assert (row.features, row.seeds) == (1, 3)
    assert row.more == pytest.approx(row.fall - row.random_fall)
    rows = [r for r in effects.rows if r.intervention == "ablate-asked"]
    assert {r.prompt for r in rows} == {"slow piano"}
    plain = {r.seed: r.similarity_plain for r in effects.rows if r.intervention == "add"}
    assert all(r.similarity_plain != plain[r.seed] for r in rows)


def test_each_row_says_what_was_done(effects: table.Effects) -> None:
    row = next(r for r in effects.rows if (r.feature, r.intervention) == (PLANTED, "add"))
    assert row.norm == row.alpha * row.beta == 6.0
    assert row.own_moved is not None
    assert row.own_activation_plain is not None
    assert row.own_activation == pytest.approx(row.own_activation_plain + row.own_moved)
    pool = [r for r in effects.rows if r.intervention == "random-pool"]
    # Each direction, dose and seed beside both features.
    assert len(pool) == 8 * 2 * 3 * 2
    assert {r.norm for r in pool} == {6.0, 12.0}


def test_the_output_score_ranks_the_planted_direction_first(
    subject: TransformersSubject, material: Material
) -> None:
    scores = output_scores(subject, material, SilentProgress())
    assert [one.rank for one in scores] == [1, 2, 3, 4]
    assert scores[0].feature == PLANTED
    assert scores[0].score > 2 * scores[0].random_score


def test_a_search_steers_after_the_block_where_vectors_move_the_heads_most(
    subject: TransformersSubject, material: Material
) -> None:
    searching = replace(material, config=replace(CONFIG, layer="search"))
    found, rows = placed(subject, searching, [PLANTED, OTHER], SilentProgress())
    assert len(rows) == 2 * 3
    means = {
        point: np.mean([row.score for row in rows if row.hookpoint == point])
        for point in dict.fromkeys(row.hookpoint for row in rows)
    }
    assert found.hookpoint == max(means, key=lambda point: means[point])
    assert {row.hookpoint for row in rows if row.chosen} == {found.hookpoint}
    # One forward pass by hand, of the planted vector after the first block.
    row = rows[0]
    assert (row.feature, row.hookpoint) == (PLANTED, "decoder.layers.0.resid_post")
    vector = SteeringVector(direction(), row.hookpoint, subject.facts.fingerprint)
    by_head = torch.zeros(4)
    for piece in pieces(subject, material):
        plain, steered = (
            subject.steered_logits(piece[None], [one])[0].log_softmax(-1)
            for one in ((), (Intervention(vector, 12.0),))
        )
        by_head += (plain.exp() * (plain - steered)).sum(-1).mean(-1) / 2
    assert row.heads == pytest.approx(by_head.tolist(), rel=1e-3)
    assert row.score == pytest.approx(float(by_head.mean()), rel=1e-3)


def test_vectors_and_random_directions_act_where_the_config_says(
    subject: TransformersSubject, material: Material
) -> None:
    """What reads the SAE acts at the SAE's own hookpoint."""
    point = "decoder.layers.0.resid_post"
    config = replace(CONFIG, layer=point)
    found, rows = placed(subject, replace(material, config=config), [PLANTED], SilentProgress())
    assert rows == []
    at = {
        clip.intervention: clip.asked.hookpoint(material.stored)
        for clip in planned(config, found, [PLANTED])
    }
    own = {"plain", "clamp", "ablate-asked", "random-ablation"}
    assert {name for name, where in at.items() if where == POINT} == own
    assert {where for name, where in at.items() if name not in own} == {point}
    beyond = replace(config, layer="decoder.layers.9.resid_post")
    with pytest.raises(PipelineError, match="the subject has 3 blocks"):
        placed(subject, replace(material, config=beyond), [PLANTED], SilentProgress())
    with pytest.raises(PipelineError, match="hookpoint 'best'"):
        replace(CONFIG, layer="best")


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_intervention_gives_the_same_tokens_at_0_and_others_at_1(
    name: str, subject: Any, material: Material
) -> None:
    feature = f"{PAIR}tempo" if name == "mean-difference" else PLANTED
    requests = []
    for alpha in (0.0, 1.0):
        made = asked(material, name, feature, alpha)
        assert made is not None
        requests.append(Request(made.prompt, 5, made.interventions))
    plain, at_zero, at_one = subject.generate_many(
        [Request(made.plain_prompt or "", 5), *requests], SECONDS
    )
    assert torch.equal(at_zero.codes, plain.codes)
    if "abl" not in name:  # a latent that is silent has nothing to take out
        assert not torch.equal(at_one.codes, plain.codes)


def test_vectors_of_several_features_are_made_orthogonal(material: Material) -> None:
    """Each keeps its length and its hookpoint, and the first its direction."""
    made = asked(material, "add-two", PLANTED, 1.0)
    assert made is not None
    first, second = (one.vector.direction for one in made.interventions)
    torch.testing.assert_close(first, direction())
    assert (first @ second).abs() < 1e-6
    assert second.norm() == pytest.approx(1.0, abs=1e-6)
    assert made.norm == pytest.approx(12.0 * 2**0.5)
    one = made.interventions[0]
    with pytest.raises(PipelineError, match="intervention 2 of 2 has the same direction"):
        orthogonal([one, one])
