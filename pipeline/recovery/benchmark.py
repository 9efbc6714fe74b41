"""The planted-concept benchmark: the run's features against every control, with intervals.

It shows which controls the SAE on the trained subject outperforms and which it does not. Each
control chooses a concept's detector on train tracks and is graded on test tracks, exactly as the
features are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus.planted import Planted, planted_concepts
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.recovery.choice import best_set
from pipeline.recovery.controls import RANDOM_DECODER, WITHOUT_BLOCKS, standin
from pipeline.recovery.detection import BestCandidate, Candidates, best_candidates, latents
from pipeline.recovery.directions import untrained
from pipeline.recovery.naming import Division, Naming, divide, grade_names
from pipeline.recovery.probe import probes
from pipeline.recovery.stability import Stability, other_seeds, stability
from pipeline.recovery.stored import read_back
from pipeline.recovery.table import ENOUGH_TRACKS, FOUND, recover
from pipeline.store.run_directory import RunDirectory, RunPlace, opened

RESULT = "recovery/benchmark.json"
RESAMPLES = 10_000
STANDIN_COLUMNS = {
    "phase-randomised-corpus": "phase-randomised corpus",
    "codec-latents": "codec latents",
    "mel-spectrogram": "mel spectrogram",
}
"""What each control of `pipeline.subjects.STANDINS` is called in the table."""
OWN_HOOKPOINTS = "the features' hookpoints, not chosen for it"
UNTRAINED_SETTINGS = {
    "neurons": OWN_HOOKPOINTS,
    "principal components": OWN_HOOKPOINTS,
    "random directions": f"as many as the features; {OWN_HOOKPOINTS}",
    "random dictionary": f"the features' k and sizes, not chosen for it; {OWN_HOOKPOINTS}",
}
FEATURES = "features"
PROBE = "linear probe"
PERMUTED = "permuted concepts"


@dataclass(frozen=True)
class Column:
    """One kind of detector, over the concepts with enough test tracks."""

    name: str
    auroc: dict[str, float]
    """AUROC on test tracks, by concept."""
    n_found: int
    """Number of concepts with an AUROC of at least `FOUND`."""
    mean: float
    difference: float
    """Mean AUROC of the features minus this column's."""
    low: float
    high: float
    """95 % interval of the difference: paired percentile bootstrap over concepts."""
    extra_low: int
    extra_high: int
    """95 % interval of how many more concepts the features find, by the same bootstrap."""
    n_candidates: int
    """Number of candidates that a concept's detector was chosen from; 0 where one was fitted."""
    settings: str
    """Block, k and number of latents, and whether they were chosen for this control on validation
    tracks or are the features' own."""


@dataclass(frozen=True)
class Benchmark:
    """Everything that `python -m pipeline recovery DIR --benchmark` prints."""

    n_concepts: int
    columns: tuple[Column, ...]
    """The features first."""
    division: Division
    naming: tuple[Naming, ...]
    stability: tuple[Stability, ...]


def benchmark(place: RunPlace, *, progress: Progress, device: str | None = None) -> Benchmark:
    """The benchmark of the run at `place`; computed once on `device`, then read.

    Raises `PipelineError` as `recover` does.
    """
    directory = opened(place)
    config = config_from_dict(directory.description("config")["config"])
    if config.subject.control != "none":
        raise PipelineError(
            f"{directory} is a control itself ({config.subject.control}): no benchmark"
        )
    recover(place, control=True, probe=True, progress=progress, device=device)
    if directory.is_done("benchmark"):
        made_of = directory.summary("benchmark").get("made_of")
        if made_of == _made_of(directory):
            stored: Benchmark = read_back(Benchmark, directory.read_json(RESULT))
            return stored
    config = on_device(config, device, progress)
    with directory.lock(), directory.writer("benchmark") as writer:
        result = _compute(directory, config, progress)
        writer.write_json(RESULT, asdict(result))
        writer.summary.update(concepts=result.n_concepts, made_of=_made_of(directory))
    return result


def _made_of(directory: RunDirectory) -> dict[str, str]:
    """Hashes of the files that the benchmark is computed from, in the run and in its controls."""
    stages = ("corpus", "activations", "sae", "features")
    controls = {control.path.name: control.digest(*stages) for control in directory.nested()}
    return {"run": directory.digest(*stages, "labels"), **controls}


def _compute(directory: RunDirectory, config: RunConfig, progress: Progress) -> Benchmark:
    # 1) Concepts that can be graded.
    concepts = [c for c in planted_concepts(directory) if _counted(c)]
    if not concepts:
        raise PipelineError(
            f"no concept of {directory} has {ENOUGH_TRACKS} test tracks with it and as many "
            "without: nothing can be graded"
        )
    # 2) The best detector of each concept among the features, and among each control's candidates.
    features = latents(directory)
    found = {FEATURES: best_candidates(features, concepts)}
    sizes = {FEATURES: len(features.names)}
    settings = {FEATURES: "as the run's config has them"}
    for name, candidates, how in _controls(directory, config, concepts, progress):
        found[name], sizes[name] = best_candidates(candidates, concepts), len(candidates.names)
        settings[name] = how
    # 3) Their AUROC on test tracks; a fitted probe as the ceiling, permuted concepts as the floor.
    scores = {name: {c: d.auroc for c, d in by.items()} for name, by in found.items()}
    scores[PROBE] = {c: p.auroc for c, p in probes(directory, concepts, progress).items()}
    scores[PERMUTED] = _permuted(features, concepts)
    sizes[PERMUTED] = sizes[FEATURES]
    # 4) Features by concept, whether labels name it, and whether other seeds find the same.
    division = divide(directory, concepts, threshold=FOUND)
    if config.sae.checkpoint:
        raise PipelineError(
            f"{directory}: its SAE was trained elsewhere ([sae] checkpoint); the benchmark "
            "compares with SAEs trained in the same way, which cannot be made here"
        )
    seeds = other_seeds(config.sae.seed)
    return Benchmark(
        n_concepts=len(concepts),
        columns=tuple(
            _column(name, scores, sizes.get(name, 0), settings.get(name, OWN_HOOKPOINTS))
            for name in scores
        ),
        division=division,
        naming=tuple(grade_names(directory, concepts, division)),
        stability=tuple(stability(directory, config, seeds=seeds, progress=progress)),
    )


def _counted(concept: Planted) -> bool:
    tests = (concept.count("test"), concept.count("test", present=False))
    return concept.gradable() and min(tests) >= ENOUGH_TRACKS


def _controls(
    directory: RunDirectory, config: RunConfig, concepts: Sequence[Planted], progress: Progress
) -> Iterator[tuple[str, Candidates, str]]:
    """Every control's name, candidates and settings; a control that needs dictionaries has its own,
    trained in the same way."""
    decoder = directory.within(RANDOM_DECODER)
    yield "random decoder", *_best(decoder, concepts, "; its block among the features' own")
    for kind, candidates in untrained(directory, seed=config.sae.seed, progress=progress).items():
        yield kind, candidates, UNTRAINED_SETTINGS[kind]
    for control, name in STANDIN_COLUMNS.items():
        blocks = "" if control in WITHOUT_BLOCKS else "; its block among the features' own"
        yield name, *_best(standin(directory, config, control, progress), concepts, blocks)


def _best(
    control: RunDirectory, concepts: Sequence[Planted], blocks: str
) -> tuple[Candidates, str]:
    """Candidates from a control's best dictionaries by validation tracks, and what was tried."""
    choice = best_set(control, concepts)
    if choice is None:
        return latents(control), "all dictionaries; no concept has the validation tracks to choose"
    settings = (
        f"{choice.label}: chosen on validation of {choice.tried} sets of "
        f"{len(control.sae_names())} dictionaries (mean {choice.mean:.3f} there){blocks}"
    )
    return latents(control, saes=choice.saes), settings


def _permuted(features: Candidates, concepts: Sequence[Planted]) -> dict[str, float]:
    """AUROC by concept when tracks are permuted: what choosing the best of so many features gives
    by chance alone.

    All features are permuted together, so that their correlations stay: they are effectively as
    many independent candidates as in truth.
    """
    rng = np.random.default_rng(0)
    shuffled = replace(
        features,
        train=features.train[rng.permutation(len(features.train))],
        test=features.test[rng.permutation(len(features.test))],
    )
    found: dict[str, BestCandidate] = best_candidates(shuffled, concepts)
    return {name: detection.auroc for name, detection in found.items()}


def _column(
    name: str, scores: dict[str, dict[str, float]], n_candidates: int, settings: str
) -> Column:
    """One column from the AUROCs of all, `scores[name][concept]`."""
    # 1) AUROC [concept], paired by concept.
    concepts = sorted(scores[FEATURES])
    ours = np.array([scores[FEATURES][c] for c in concepts])
    theirs = np.array([scores[name][c] for c in concepts])
    # 2) Bootstrap: concepts drawn with replacement, [resample, concept]. The same draws for every
    #    column, so that columns differ in their detectors only.
    draws = np.random.default_rng(0).integers(len(concepts), size=(RESAMPLES, len(concepts)))
    difference = (ours - theirs)[draws].mean(axis=1)
    extra = ((ours >= FOUND).astype(int) - (theirs >= FOUND).astype(int))[draws].sum(axis=1)
    # 3) Percentile intervals; of a count the nearest resample, so that the limits are whole.
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
        settings=settings,
    )
