"""The planted-concept benchmark: the run's features beside every control, with intervals.

Which is what the SAE on the trained subject beats, and what it does not. Each control chooses a
concept's detector on train tracks and is graded on test tracks just as the features are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.artifacts import RunDirectory
from pipeline.config import RunConfig, config_from_dict
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.recovery import CONTROL_FOLDER, ENOUGH_TRACKS, FOUND, recover
from pipeline.recovery.detection import Candidates, Detection, chosen, latents
from pipeline.recovery.directions import untrained
from pipeline.recovery.naming import Division, Naming, divide, grade_names
from pipeline.recovery.planted import Planted, planted_concepts
from pipeline.recovery.probe import probes
from pipeline.recovery.stability import Stability, other_seeds, stability
from pipeline.run import execute
from pipeline.subjects import load_subject

RESULT = "recovery/benchmark.json"
RESAMPLES = 10_000
STANDIN_COLUMNS = {
    "phase-randomised-corpus": "phase-randomised corpus",
    "codec-latents": "codec latents",
    "mel-spectrogram": "mel spectrogram",
}
"""What each control of `pipeline.subjects.STANDINS` is called in the table."""
FEATURES = "features"
PROBE = "linear probe"
PERMUTED = "permuted concepts"


@dataclass(frozen=True)
class Column:
    """One way to detect, over the concepts with enough test tracks."""

    name: str
    auroc: dict[str, float]
    """Concept to AUROC on test tracks."""
    n_found: int
    """Concepts at `FOUND` or more."""
    mean: float
    difference: float
    """Mean AUROC of the features less this column's."""
    low: float
    high: float
    """Interval of the difference, 95 %: percentile bootstrap over concepts, paired."""
    extra_low: int
    extra_high: int
    """Interval of how many more concepts the features find, likewise."""
    n_candidates: int
    """What a concept's detector was chosen from; 0 where one was fitted."""


@dataclass(frozen=True)
class Benchmark:
    """Everything that `python -m pipeline recovery DIR --benchmark` prints."""

    n_concepts: int
    columns: tuple[Column, ...]
    """The features first."""
    division: Division
    naming: tuple[Naming, ...]
    stability: tuple[Stability, ...]


def benchmark(path: Path, *, progress: Progress, device: str | None = None) -> Benchmark:
    """The benchmark of the run at `path`; computed once on `device`, then read.

    Raises `PipelineError` as `recover` does.
    """
    directory = RunDirectory(path)
    config = config_from_dict(directory.read_json("run.json")["config"])
    if config.subject.control != "none":
        raise PipelineError(
            f"{directory.path} is a control itself ({config.subject.control}): no benchmark"
        )
    recover(path, control=True, probe=True, progress=progress, device=device)
    if directory.is_done("benchmark"):
        made_of = directory.summary("benchmark").get("made_of")
        if made_of == _made_of(directory):
            return from_json(directory.read_json(RESULT))
    config = on_device(config, device, progress)
    with directory.lock(), directory.writer("benchmark") as writer:
        result = _compute(directory, config, progress)
        writer.write_json(RESULT, asdict(result))
        writer.summary.update(concepts=result.n_concepts, made_of=_made_of(directory))
    return result


def _made_of(directory: RunDirectory) -> dict[str, str]:
    """Hashes of what the benchmark is computed from, in the run and in its controls."""
    stages = ("corpus", "activations", "sae", "features")
    controls = {control.path.name: control.digest(*stages) for control in directory.nested()}
    return {"run": directory.digest(*stages, "labels"), **controls}


def from_json(stored: dict[str, Any]) -> Benchmark:
    """The inverse of `dataclasses.asdict` on a `Benchmark`."""
    return Benchmark(
        n_concepts=stored["n_concepts"],
        columns=tuple(Column(**column) for column in stored["columns"]),
        division=Division(**stored["division"]),
        naming=tuple(Naming(**row) for row in stored["naming"]),
        stability=tuple(
            Stability(
                **{
                    **row,
                    "seeds": tuple(row["seeds"]),
                    "kept_with_partner": tuple(row["kept_with_partner"]),
                }
            )
            for row in stored["stability"]
        ),
    )


def _compute(directory: RunDirectory, config: RunConfig, progress: Progress) -> Benchmark:
    concepts = [c for c in planted_concepts(directory) if _counted(c)]
    if not concepts:
        raise PipelineError(
            f"no concept of {directory.path} has {ENOUGH_TRACKS} test tracks with it and as many "
            "without: nothing can be graded"
        )
    features = latents(directory)
    found = {FEATURES: chosen(features, concepts)}
    sizes = {FEATURES: len(features.names)}
    for name, candidates in _controls(directory, config, progress):
        found[name], sizes[name] = chosen(candidates, concepts), len(candidates.names)
    scores = {name: {c: d.auroc for c, d in by.items()} for name, by in found.items()}
    scores[PROBE] = {c: p.auroc for c, p in probes(directory, concepts, progress).items()}
    scores[PERMUTED] = _permuted(features, concepts)
    sizes[PERMUTED] = sizes[FEATURES]
    division = divide(directory, concepts, threshold=FOUND)
    seeds = other_seeds(config.sae.seed)
    return Benchmark(
        n_concepts=len(concepts),
        columns=tuple(_column(name, scores, sizes.get(name, 0)) for name in scores),
        division=division,
        naming=tuple(grade_names(directory, concepts, division)),
        stability=tuple(stability(directory, config, seeds=seeds, progress=progress)),
    )


def _counted(concept: Planted) -> bool:
    tests = (concept.count("test"), concept.count("test", present=False))
    return concept.gradable() and min(tests) >= ENOUGH_TRACKS


def _controls(
    directory: RunDirectory, config: RunConfig, progress: Progress
) -> list[tuple[str, Candidates]]:
    """Every control's candidates; those that need a dictionary of their own get one."""
    found = [("random decoder", latents(RunDirectory(directory.path_of(CONTROL_FOLDER))))]
    for kind, candidates in untrained(directory, seed=config.sae.seed, progress=progress).items():
        found.append((kind, candidates))
    for control in STANDIN_COLUMNS:
        run = _standin_run(directory, config, control, progress)
        found.append((STANDIN_COLUMNS[control], latents(run)))
    return found


def _standin_run(
    directory: RunDirectory, config: RunConfig, control: str, progress: Progress
) -> RunDirectory:
    """The same pipeline up to its features with something else in the subject's place."""
    progress.note(f"control: {STANDIN_COLUMNS[control]}")
    subject = replace(config.subject, control=control)
    width = int(directory.summary("activations")["subject"]["width"])
    other = load_subject(subject, device=config.machine.device).facts.width
    nested = _fitted(replace(config, subject=subject), width, other)
    out = directory.path_of(f"recovery/{control}")
    return execute(nested, out, progress=progress, until="features")


def _fitted(config: RunConfig, width: int, other: int) -> RunConfig:
    """A config whose dictionaries are as large at another width.

    A representation has no depth: it is stored under the first hookpoint's name alone.
    """
    if other == width:
        return config
    expansions = tuple(ceil(expansion * width / other) for expansion in config.sae.expansions)
    return replace(
        config,
        subject=replace(config.subject, hookpoints=config.subject.hookpoints[:1]),
        sae=replace(config.sae, expansions=expansions),
    )


def _permuted(features: Candidates, concepts: Sequence[Planted]) -> dict[str, float]:
    """Concepts dealt to tracks at random: what choosing among so many features brings alone."""
    rng = np.random.default_rng(0)
    shuffled = replace(
        features,
        train=features.train[rng.permutation(len(features.train))],
        test=features.test[rng.permutation(len(features.test))],
    )
    found: dict[str, Detection] = chosen(shuffled, concepts)
    return {name: detection.auroc for name, detection in found.items()}


def _column(name: str, scores: dict[str, dict[str, float]], n_candidates: int) -> Column:
    concepts = sorted(scores[FEATURES])
    ours = np.array([scores[FEATURES][c] for c in concepts])
    theirs = np.array([scores[name][c] for c in concepts])
    draws = np.random.default_rng(0).integers(len(concepts), size=(RESAMPLES, len(concepts)))
    difference = (ours - theirs)[draws].mean(axis=1)
    extra = ((ours >= FOUND).astype(int) - (theirs >= FOUND).astype(int))[draws].sum(axis=1)
    low, high = np.quantile(difference, (0.025, 0.975))
    extra_low, extra_high = np.quantile(extra, (0.025, 0.975), method="nearest")
    return Column(
        name=name,
        auroc={c: float(value) for c, value in zip(concepts, theirs, strict=True)},
        n_found=int((theirs >= FOUND).sum()),
        mean=float(theirs.mean()),
        difference=float((ours - theirs).mean()),
        low=float(low),
        high=float(high),
        extra_low=int(extra_low),
        extra_high=int(extra_high),
        n_candidates=n_candidates,
    )
