"""Measures what steering does: `python -m pipeline steer DIR --evaluate`.

Input: `sae/`, `features/`, `exemplars/`, labels where there are any, the subject, CLAP, and for
planted concepts the corpus. Output per SAE: `steering/NAME.effects.parquet`, one row per feature,
intervention, α and seed, `steering/NAME.moved.parquet`, `steering/NAME.slopes.parquet`,
`steering/NAME.output-scores.parquet`; of all SAEs `steering/slopes.parquet`,
`steering/table2.parquet`, `steering/selection.parquet`, `steering/ablation.parquet`.

The estimates are explained in `pipeline/steering/slopes.py`, the measures in `hearing.py`,
`concepts.py` and `output_score.py` beside it; docs/steering.md says what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.clap import backends
from pipeline.clap.base import Clap
from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus import audio
from pipeline.corpus.planted import Planted, planted_concepts
from pipeline.corpus.tracks import usable_tracks
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.parallel import torch_threads
from pipeline.progress import Progress
from pipeline.registry import resolve
from pipeline.steering import concepts as planted
from pipeline.steering import evaluation, table
from pipeline.steering.causal import ablation_records
from pipeline.steering.evaluation import STAGE, Aim
from pipeline.steering.hearing import Ear, embed, frechet
from pipeline.steering.interventions import INTERVENTIONS, PAIR, Material
from pipeline.steering.material import exemplars_of, material_of, pairs_of
from pipeline.steering.moved import moved_records
from pipeline.steering.output_score import output_scores, selection_records
from pipeline.steering.plan import Clip, planned
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.vectors import drawn_features
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import (
    AblationRecord,
    EffectRecord,
    ImprovedRecord,
    MeanSlopeRecord,
    MovedRecord,
    OutputScoreRecord,
    SelectionRecord,
    SlopeRecord,
    table_of,
)
from pipeline.store.writers import StageWriter
from pipeline.subjects import STANDINS, load_subject


@dataclass(frozen=True)
class _Tools:
    """What is loaded once for all SAEs."""

    config: EvaluationConfig
    run: RunConfig
    directory: RunDirectory
    subject: Any
    clap: Clap
    concepts: list[Planted]
    classifiers: planted.Classifiers
    stamp: str
    progress: Progress


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
    if not directory.is_done("exemplars"):
        raise PipelineError(f"{directory}: stage exemplars is not done; run it first")
    run = on_device(config_from_dict(directory.description("config")["config"]), device, progress)
    if run.subject.control in STANDINS:
        raise PipelineError(
            f"{directory} reads a control ({run.subject.control}), which cannot generate music"
        )
    names = _chosen_saes(config, directory)
    for name in config.interventions:
        resolve(INTERVENTIONS, name, "intervention")
    with directory.lock():
        scratch = directory.scratch(STAGE)
        with directory.writer(STAGE) as writer, torch_threads(run.machine):
            tools = _loaded(config, run, directory, progress)
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


def _chosen_saes(config: EvaluationConfig, directory: RunDirectory) -> Sequence[str]:
    known = directory.sae_names()
    unknown = [name for name in config.saes if name not in known]
    if unknown:
        raise PipelineError(f"{directory} has no SAE {unknown[0]!r}; it has: {', '.join(known)}")
    return config.saes or known


def _loaded(
    config: EvaluationConfig, run: RunConfig, directory: RunDirectory, progress: Progress
) -> _Tools:
    clap = backends.load(run.clap, device=run.machine.device)
    subject = load_subject(run.subject, device=run.machine.device)
    has_truth = directory.has("concepts.json")
    concepts = planted_concepts(directory) if has_truth else []
    stamp = evaluation.stamp_of(
        directory, subject.facts.fingerprint, backends.fingerprint(run.clap), config.seconds
    )
    classifiers = _classifiers(config, run, directory, subject, concepts, progress)
    return _Tools(config, run, directory, subject, clap, concepts, classifiers, stamp, progress)


def _classifiers(
    config: EvaluationConfig,
    run: RunConfig,
    directory: RunDirectory,
    subject: Any,
    concepts: list[Planted],
    progress: Progress,
) -> planted.Classifiers:
    """Classifiers of the planted concepts, fitted on test tracks as the codec plays them; none
    where the corpus has no truth or is not there any more."""
    tracks = [one for one in usable_tracks(directory) if one.split == "test"]
    if not concepts or not tracks or run.corpus.path is None:
        return planted.NONE
    rate = subject.facts.sample_rate
    progress.start("steering concepts", len(tracks), "track")
    described = []
    for one in tracks:
        seconds = min(one.seconds, config.seconds)
        try:
            sound = audio.read_mono(
                run.corpus.folder() / one.path, sample_rate=rate,
                start_seconds=one.start_seconds, seconds=seconds,
            )  # fmt: skip
        except (audio.AudioError, OSError) as error:
            progress.finish()
            progress.note(f"planted concepts are not measured: track {one.track}: {error}")
            return planted.NONE
        played = subject.play(subject.encode(torch.from_numpy(sound)[None]))
        described.append(planted.describe(played[0].numpy(), rate))
        progress.advance()
    progress.finish()
    return planted.fit(np.stack(described), [one.track for one in tracks], concepts)


def _sae(tools: _Tools, writer: StageWriter, name: str) -> _Found:
    """Evaluate one SAE and write its tables."""
    config, directory = tools.config, tools.directory
    # 1) The features, what is done for each, and the clips.
    material = material_of(directory, name, config, tools.subject)
    features = [
        one.feature
        for one in drawn_features(directory, name, config)
        if one.feature in material.features
    ]
    if not features:
        tools.progress.note(f"SAE {name} has no kept feature to steer")
        return _Found([], [], [], [])
    clips = planned(config, material, [*features, *material.pairs])
    # 2) Generate and measure.
    kept = np.array(sorted(one.index for one in material.features.values()))
    ear = Ear(tools.clap, tools.subject, material.stored, kept, tools.classifiers)
    found = evaluation.heard(
        ear, clips, directory.scratch(STAGE), stamp=tools.stamp, seconds=config.seconds,
        rows=config.rows, progress=tools.progress,
    )  # fmt: skip
    # 3) One row per clip and feature.
    exemplars = _exemplar_embeddings(tools, name, features)
    aims = _aims(tools, material, features, exemplars)
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


def _exemplar_embeddings(
    tools: _Tools, name: str, features: Sequence[str]
) -> dict[str, np.ndarray]:
    """CLAP embeddings [exemplar, width] of each feature's exemplars."""
    of_clip: dict[str, np.ndarray] = {}
    found: dict[str, list[np.ndarray]] = {feature: [] for feature in features}
    for one in exemplars_of(tools.directory, name):
        if one.feature not in found:
            continue
        if one.clip not in of_clip:
            path = tools.directory.path_of(f"exemplars/{name}/clips/{one.clip}.flac")
            sound = audio.read_mono(path, sample_rate=tools.clap.sample_rate)
            of_clip[one.clip] = embed(tools.clap, sound, tools.clap.sample_rate)
        found[one.feature].append(of_clip[one.clip])
    return {feature: np.stack(rows) for feature, rows in found.items()}


def _aims(
    tools: _Tools,
    material: Material,
    features: Sequence[str],
    exemplars: dict[str, np.ndarray],
) -> list[Aim]:
    """What each feature, and each pair of prompts, is to bring about."""
    texts = {material.labels[one] for one in features if one in material.labels}
    pairs = pairs_of(tools.config)
    texts |= {text for pair in pairs for text in (*pair.positive, *pair.negative)}
    texts |= {pair.concept or pair.name for pair in pairs}
    listed = sorted(texts)
    embedded = dict(zip(listed, tools.clap.embed_texts(listed), strict=True)) if listed else {}
    concepts = _concepts_of(tools, material, features)
    of_pairs = [
        Aim(
            name=PAIR + pair.name,
            beta=material.betas[PAIR + pair.name],
            towards=np.mean([embedded[one] for one in pair.positive], axis=0)
            - np.mean([embedded[one] for one in pair.negative], axis=0),
            label=pair.concept or pair.name,
            label_towards=embedded[pair.concept or pair.name],
            concept=pair.concept if pair.concept in tools.classifiers.concepts else None,
        )
        for pair in pairs
    ]
    means = {feature: rows.mean(axis=0) for feature, rows in exemplars.items()}
    return [
        *evaluation.aims_of(features, material.betas, means, material.labels, embedded, concepts),
        *of_pairs,
    ]


def _concepts_of(
    tools: _Tools, material: Material, features: Sequence[str]
) -> dict[str, str | None]:
    """The planted concept that each feature detects, where a classifier hears it."""
    latents = [material.features[one].index for one in features]
    tracks, means = evaluation.mean_activations(
        tools.directory, material.stored.name, latents, "train"
    )
    audible = [one for one in tools.concepts if one.name in tools.classifiers.concepts]
    found = planted.concepts_of(means, tracks, audible)
    return dict(zip(features, found, strict=True))
