"""An evaluation of steering in a run's files, with invented figures: the real writer and tables."""

from __future__ import annotations

from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import (
    AblationRecord,
    EffectRecord,
    ImprovedRecord,
    MeanSlopeRecord,
    MovedRecord,
    OutputScoreRecord,
    SelectionRecord,
    SlopeRecord,
)

STAGE = "steering-evaluation"
HOOKPOINT = "decoder.layers.2.resid_post"
ALPHAS, SEEDS = (1.0, 2.0), (0, 1)
INTERVENTIONS = ("add", "prompt")
BETA, RANDOM_BETA = 4.0, 2.0
RISE = {0: 0.1, 1: 0.3}
"""By seed: of similarity per unit of α."""
RANDOM_RISE = {0: 0.01, 1: 0.03}
"""By direction."""


def evaluate(directory: RunDirectory, sae: str, *, features: int) -> None:
    """Write an evaluation of all features but the last."""
    names = [f"{sae}/{index}" for index in range(features)]
    tried = names[:-1]
    rows = {
        "effects": table_of(EffectRecord, [row for name in tried for row in _effects(name)]),
        "slopes": table_of(SlopeRecord, [row for name in tried for row in _slopes(name)]),
        "moved": table_of(MovedRecord, [row for name in tried for row in _moved(name, names)]),
        "output-scores": table_of(OutputScoreRecord, _scores(names)),
    }
    with directory.writer(STAGE) as writer:
        for name, table in rows.items():
            writer.write_table(f"steering/{sae}.{name}.parquet", table)
        improved = [_improved(sae, one, len(tried)) for one in INTERVENTIONS]
        writer.write_table("steering/table2.parquet", table_of(ImprovedRecord, improved))
        means = [_mean(sae, one, len(tried)) for one in INTERVENTIONS]
        writer.write_table("steering/slopes.parquet", table_of(MeanSlopeRecord, means))
        ranks = [SelectionRecord(sae, "similarity", len(tried), 0.25, -0.5, 0.75)]
        writer.write_table("steering/selection.parquet", table_of(SelectionRecord, ranks))
        writer.write_table("steering/ablation.parquet", table_of(AblationRecord, []))


def _effects(feature: str) -> list[EffectRecord]:
    own = [
        effect(feature, intervention, 0, alpha, seed, BETA, rise=RISE[seed] * alpha, others=0.5)
        for intervention in INTERVENTIONS for alpha in ALPHAS for seed in SEEDS
    ]  # fmt: skip
    pool = [
        effect(feature, "random-pool", draw, alpha, seed, RANDOM_BETA,
               rise=RANDOM_RISE[draw] * alpha, others=0.4)
        for draw in RANDOM_RISE for alpha in ALPHAS for seed in SEEDS
    ]  # fmt: skip
    return [*own, *pool]


def effect(
    feature: str, intervention: str, draw: int, alpha: float, seed: int, beta: float, *,
    rise: float, others: float, label: str = "a name", prompt: str = "Simple melody",
    seconds: float = 2.0,
) -> EffectRecord:  # fmt: skip
    """One row; `label_similarity` rises as `similarity` does, from 0.2."""
    return EffectRecord(
        feature=feature, intervention=intervention, draw=draw, hookpoint=HOOKPOINT, alpha=alpha,
        beta=beta, norm=alpha * beta, prompt=prompt, seed=seed, seconds=seconds, changed_share=0.5,
        similarity=0.5 + rise, similarity_plain=0.5, label=label, label_similarity=0.2 + rise,
        label_similarity_plain=0.2, concept="", concept_score=None, concept_score_plain=None,
        own_activation=1 + alpha, own_activation_plain=1.0, own_moved=2 * alpha,
        others_moved=others, concepts_moved=None, loudness_lufs=-20.0, silent_share=0.0,
        clipped_share=0.0, repetition=0.1,
    )  # fmt: skip


def _slopes(feature: str) -> list[SlopeRecord]:
    index = int(feature.rpartition("/")[2])
    return [
        SlopeRecord(
            feature=feature, intervention=intervention, measure=measure, slope=0.2 - index / 10,
            low=0.1, high=0.3, seeds=2, random_slope=0.04, random_deviation=0.03, random_below=2,
            random_directions=2, p=0.02, q=0.04,
        )
        for intervention in INTERVENTIONS
        for measure in ("similarity", "label_similarity")
    ]  # fmt: skip


def _moved(feature: str, names: list[str]) -> list[MovedRecord]:
    others = [name for name in names if name != feature]
    return [
        MovedRecord(feature, intervention, rank, other, -3.0 / rank, len(SEEDS), 0.4)
        for intervention in INTERVENTIONS
        for rank, other in enumerate(others, start=1)
    ]


def _scores(names: list[str]) -> list[OutputScoreRecord]:
    return [
        OutputScoreRecord(name, rank, BETA, round(1 - rank / 10, 6), 0.05)
        for rank, name in enumerate(names, start=1)
    ]


def _improved(sae: str, intervention: str, tried: int) -> ImprovedRecord:
    return ImprovedRecord(
        sae=sae, hookpoint=HOOKPOINT, intervention=intervention, kept=tried + 1, tried=tried,
        seeds=2, improved=tried, low=0.4, high=1.0, random_tried=tried, random_improved=1,
        random_low=0.1, random_high=0.9, p=0.5, pool_share=0.36, improved_one_seed=1,
    )  # fmt: skip


def _mean(sae: str, intervention: str, tried: int) -> MeanSlopeRecord:
    return MeanSlopeRecord(
        sae=sae, hookpoint=HOOKPOINT, intervention=intervention, measure="similarity",
        features=tried, seeds=2, random_directions=2, slope=0.2, low=-0.1, high=0.5,
        above_random=0.16, above_low=-0.2, above_high=0.4, p=0.2, beating=1, own_raised=1.0,
        own_moved=2.0, others_moved=0.5, frechet=0.3, frechet_random=0.4, loudness_lufs=-20.0,
        silent_share=0.0, clipped_share=0.0, repetition=0.1,
    )  # fmt: skip
