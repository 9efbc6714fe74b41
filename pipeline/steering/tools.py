"""What an evaluation of steering loads and looks up: the subject, CLAP, classifiers of planted
concepts, and what each feature of an SAE is to bring about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from pipeline.progress import Progress
from pipeline.registry import resolve
from pipeline.steering import concepts as planted
from pipeline.steering import evaluation
from pipeline.steering.evaluation import Aim
from pipeline.steering.hearing import embed
from pipeline.steering.interventions import INTERVENTIONS, PAIR, Material
from pipeline.steering.material import exemplars_of, pairs_of
from pipeline.steering.settings import EvaluationConfig
from pipeline.steering.vectors import drawn_features
from pipeline.store.run_directory import RunDirectory
from pipeline.subjects import STANDINS, load_subject


@dataclass(frozen=True)
class Tools:
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


def checked(
    config: EvaluationConfig, directory: RunDirectory, *, device: str | None, progress: Progress
) -> tuple[RunConfig, Sequence[str]]:
    """The run's config on `device`, and the names of the SAEs to evaluate.

    Raises `PipelineError` if the run has no exemplars or its subject cannot generate, or the config
    names an SAE or an intervention that does not exist.
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
    return run, names


def _chosen_saes(config: EvaluationConfig, directory: RunDirectory) -> Sequence[str]:
    known = directory.sae_names()
    unknown = [name for name in config.saes if name not in known]
    if unknown:
        raise PipelineError(f"{directory} has no SAE {unknown[0]!r}; it has: {', '.join(known)}")
    return config.saes or known


def loaded(
    config: EvaluationConfig,
    run: RunConfig,
    directory: RunDirectory,
    progress: Progress,
    *,
    with_concepts: bool = True,
) -> Tools:
    """Load the subject and CLAP, and fit the classifiers of planted concepts, if any are wanted."""
    clap = backends.load(run.clap, device=run.machine.device)
    subject = load_subject(run.subject, device=run.machine.device)
    has_truth = with_concepts and directory.has("concepts.json")
    concepts = planted_concepts(directory) if has_truth else []
    stamp = evaluation.stamp_of(
        directory, subject.facts.fingerprint, backends.fingerprint(run.clap), config.seconds
    )
    classifiers = _classifiers(config, run, directory, subject, concepts, progress)
    return Tools(config, run, directory, subject, clap, concepts, classifiers, stamp, progress)


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


def features_of_sae(tools: Tools, material: Material, name: str) -> list[str]:
    """The drawn features of an SAE that can be steered; progress notes if there are none."""
    drawn = drawn_features(tools.directory, name, tools.config)
    features = [one.feature for one in drawn if one.feature in material.features]
    if not features:
        tools.progress.note(f"SAE {name} has no kept feature to steer")
    return features


def exemplar_embeddings(tools: Tools, name: str, features: Sequence[str]) -> dict[str, np.ndarray]:
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


def aims_of_sae(
    tools: Tools,
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
    tools: Tools, material: Material, features: Sequence[str]
) -> dict[str, str | None]:
    """The planted concept that each feature detects, where a classifier hears it."""
    latents = [material.features[one].index for one in features]
    tracks, means = evaluation.mean_activations(
        tools.directory, material.stored.name, latents, "train"
    )
    audible = [one for one in tools.concepts if one.name in tools.classifiers.concepts]
    found = planted.concepts_of(means, tracks, audible)
    return dict(zip(features, found, strict=True))
