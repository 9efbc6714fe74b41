"""Measures what steering does: `python -m pipeline steer DIR --evaluate`.

Input: `sae/`, `features/`, `exemplars/`, labels where there are any, the subject, CLAP, and for
planted concepts the corpus. Output per SAE: `steering/NAME.effects.parquet`, one row per feature,
intervention, α and seed, `steering/NAME.moved.parquet`, `steering/NAME.slopes.parquet`,
`steering/NAME.output-scores.parquet`, and `steering/NAME.layers.parquet` after a search for the
layer; of all SAEs `steering/slopes.parquet`, `steering/table2.parquet`,
`steering/selection.parquet`, `steering/ablation.parquet`.

The estimates are explained in `pipeline/steering/slopes.py`, the measures in `hearing.py`,
`concepts.py` and `output_score.py` beside it; docs/steering.md says what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from pipeline.clap import backends
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.steering import evaluation, table
from pipeline.steering.causal import ablation_records
from pipeline.steering.evaluation import STAGE
from pipeline.steering.hearing import Ear, frechet
from pipeline.steering.layers import placed
from pipeline.steering.material import material_of
from pipeline.steering.moved import moved_records
from pipeline.steering.output_score import output_scores, selection_records
from pipeline.steering.plan import Clip, planned
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.tools import (
    Tools,
    aims_of_sae,
    checked,
    exemplar_embeddings,
    features_of_sae,
    loaded,
)
from pipeline.store.records import table_of
from pipeline.store.run_directory import RunDirectory
from pipeline.store.steering_tables import (
    AblationRecord,
    EffectRecord,
    ImprovedRecord,
    LayerScoreRecord,
    MeanSlopeRecord,
    MovedRecord,
    OutputScoreRecord,
    SelectionRecord,
    SlopeRecord,
)
from pipeline.store.writers import StageWriter


class _Found(NamedTuple):
    """What the tables of all SAEs take from one."""

    means: list[MeanSlopeRecord]
    improved: list[ImprovedRecord]
    selection: list[SelectionRecord]
    ablation: list[AblationRecord]


def evaluate(
    config: EvaluationConfig,
    directory: RunDirectory,
    *,
    progress: Progress,
    device: str | None = None,
) -> None:
    """Evaluate steering on every SAE that the config names, replacing an earlier evaluation; one
    that was interrupted continues.

    Raises `PipelineError` if the run has no exemplars, its subject has changed or cannot generate,
    CLAP is missing, or the config names what does not exist.
    """
    run, names = checked(config, directory, device=device, progress=progress)
    with directory.lock():
        scratch = directory.scratch(STAGE)
        with directory.writer(STAGE) as writer, torch_threads(run.machine):
            tools = loaded(config, run, directory, progress)
            found = [_sae(tools, writer, name) for name in names]
            _write_tables(writer, found)
            heard = zip(tools.classifiers.concepts, tools.classifiers.aurocs, strict=True)
            writer.summary.update(
                config=asdict(config) | {"pairs": bool(config.pairs)},
                clap=backends.fingerprint(run.clap),
                concepts={concept: round(value, 4) for concept, value in heard},
            )
        scratch.clear()


def _write_tables(writer: StageWriter, found: Sequence[_Found]) -> None:
    """The tables of all SAEs."""
    means = [row for one in found for row in one.means]
    improved = [row for one in found for row in one.improved]
    selection = [row for one in found for row in one.selection]
    writer.write_table(table.SLOPES, table_of(MeanSlopeRecord, means))
    writer.write_table(table.TABLE_2, table_of(ImprovedRecord, improved))
    writer.write_table(table.SELECTION, table_of(SelectionRecord, selection))
    ablation = [row for one in found for row in one.ablation]
    writer.write_table(table.ABLATION, table_of(AblationRecord, ablation))


def _sae(tools: Tools, writer: StageWriter, name: str) -> _Found:
    """Evaluate one SAE and write its tables."""
    config, directory = tools.config, tools.directory
    # 1) The features, what is done for each, and the clips.
    material = material_of(directory, name, config, tools.subject)
    features = features_of_sae(tools, material, name)
    if not features:
        return _Found([], [], [], [])
    material, layers = placed(tools.subject, material, features, tools.progress)
    if layers:
        writer.write_table(f"steering/{name}.layers.parquet", table_of(LayerScoreRecord, layers))
    clips = planned(config, material, [*features, *material.pairs])
    # 2) Generate and measure.
    kept = np.array(sorted(one.index for one in material.features.values()))
    ear = Ear(tools.clap, tools.subject, material.stored, kept, tools.classifiers)
    found = evaluation.heard(
        ear, clips, directory.scratch(STAGE), stamp=tools.stamp, seconds=config.seconds,
        rows=config.rows, progress=tools.progress,
    )  # fmt: skip
    # 3) One row per clip and feature.
    exemplars = exemplar_embeddings(tools, name, features)
    aims = aims_of_sae(tools, material, features, exemplars)
    _, validation = evaluation.mean_activations(directory, name, kept, "validation")
    spread = evaluation.deviations(validation)
    rows = list(evaluation.effects(ear, clips, found, aims, spread, config=config))
    writer.write_table(f"steering/{name}.effects.parquet", table_of(EffectRecord, rows))
    moved = list(moved_records(name, clips, found["latents"], kept, spread, config))
    writer.write_table(f"steering/{name}.moved.parquet", table_of(MovedRecord, moved))
    # 4) Estimates.
    effects = table.Effects(rows)
    each = list(table.slope_records(effects))
    writer.write_table(f"steering/{name}.slopes.parquet", table_of(SlopeRecord, each))
    reference = np.concatenate([exemplars[one] for one in features])
    scores = output_scores(tools.subject, material, tools.progress)
    writer.write_table(
        f"steering/{name}.output-scores.parquet", table_of(OutputScoreRecord, scores)
    )
    distances = _distances(effects, clips, found["embedding"], reference)
    return _Found(
        list(table.mean_slope_records(name, effects, each, distances)),
        list(table.improved_records(name, effects, len(material.features))),
        list(selection_records(name, scores, each)),
        list(ablation_records(name, effects)),
    )


def _distances(
    effects: table.Effects, clips: Sequence[Clip], embeddings: np.ndarray, reference: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Fréchet distances to the exemplars, at α = 1: of each intervention's clips, and of those of
    the same features along their random directions, which are as many."""

    def distance(intervention: str, features: Sequence[str]) -> float:
        taken = [
            one.intervention == intervention and one.alpha == 1.0 and one.feature in features
            for one in clips
        ]
        return frechet(embeddings[taken], reference)

    return {
        name: (distance(name, own), distance(table.OWN_RANDOM, own))
        for name, own in effects.features.items()
    }
