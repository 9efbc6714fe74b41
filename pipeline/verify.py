"""Checks a run directory: every hash, each SAE against the activations that it was trained on, and
a sample of activations recomputed from the subject.

The error of a frame is the norm of the difference divided by the norm of the stored activation.
Nine in ten frames of a track must stay below the limit for the run's number format. Another machine
may round a codec code to its neighbour, which changes that frame and, slightly, the frames after
it; another subject, layer, excerpt or delay changes nearly all frames by a large amount.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import identity
from pipeline.config import RunConfig, config_from_dict
from pipeline.corpus.tracks import usable_tracks
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.sae.checkpoint import SaeFacts, cfg_path, read_facts, refuse_mismatch
from pipeline.sae.specs import SaeSpec, specs
from pipeline.store.activations import (
    ShardFacts,
    number_of,
    planned,
    shard_path,
    shard_paths,
)
from pipeline.store.run_directory import RunDirectory, RunPlace, opened
from pipeline.subjects import load_subject
from pipeline.subjects.extraction import extract_tracks

if TYPE_CHECKING:
    import numpy as np

SAMPLE_TRACKS = 3
LIMITS = {"float32": 0.02, "float16": 0.02, "bfloat16": 0.1}
QUANTILE = 0.9


def verify(
    place: RunPlace,
    *,
    progress: Progress,
    sample: int = SAMPLE_TRACKS,
    corpus: Path | None = None,
    device: str | None = None,
) -> list[str]:
    """Every problem found in the run and its controls, one line each; empty if there are none.

    The activations of `sample` tracks are recomputed on `device`; pass `corpus` if the corpus is no
    longer where the run read it. Raises `PipelineError` if `place` is not a run directory.
    """
    directory = opened(place)
    run = directory.description("config", "subject_fingerprint")
    files = {
        name: digest
        for entry in directory.manifest()["stages"].values()
        for name, digest in entry["files"].items()
    }
    progress.start("verify", len(files), "file")
    problems = list(_wrong_hashes(directory, files, progress))
    progress.finish()
    broken = {problem.partition(":")[0] for problem in problems}
    problems.extend(_wrong_saes(directory, run, broken))
    if not any(name.startswith(("activations/", "corpus.parquet")) for name in broken):
        config = config_from_dict(run["config"])
        config = config if corpus is None else config.with_corpus(corpus)
        config = on_device(config, device, progress) if sample else config
        problems.extend(wrong_activations(directory, config, sample=sample, progress=progress))
    for control in directory.nested():
        found = verify(control, progress=progress, sample=sample, corpus=corpus, device=device)
        name = control.path.relative_to(directory.path).as_posix()
        problems.extend(f"{name}/{problem}" for problem in found)
    return problems


def _wrong_hashes(
    directory: RunDirectory, files: dict[str, str], progress: Progress
) -> Iterator[str]:
    for name, digest in sorted(files.items()):
        found = directory.files.sha256(name)
        if found is None:
            yield f"{name}: missing"
        elif found != digest:
            yield f"{name}: its SHA-256 differs from the manifest"
        progress.advance()


def _width(directory: RunDirectory) -> int:
    """Width of the subject's residual stream, as recorded by the stage `activations`."""
    width = directory.stated("activations", "subject", dict).get("width")
    if not isinstance(width, int):
        raise PipelineError(
            f"{directory}: the manifest gives the subject's width as {width!r}, which is not "
            "a whole number"
        )
    return width


def _wrong_saes(directory: RunDirectory, run: dict[str, Any], broken: set[str]) -> Iterator[str]:
    """SAEs that do not match the config, or whose activations come from another subject,
    hookpoint or delay mapping."""
    if not directory.is_done("sae"):
        return
    for spec in _wanted(directory, config_from_dict(run["config"])):
        path = cfg_path(spec.name)
        if path in broken:
            continue
        facts = read_facts(directory, spec.name)
        if facts.subject_fingerprint != run["subject_fingerprint"]:
            yield f"{path}: made for another subject than the run's"
        if facts.hookpoint != spec.hookpoint:
            yield f"{path}: made for {facts.hookpoint}, but the config has {spec.hookpoint}"
        yield from _activations_of_another(directory, spec, facts, broken)


def _wanted(directory: RunDirectory, config: RunConfig) -> list[SaeSpec]:
    """The SAEs that a run of this config has."""
    if not config.sae.checkpoint:
        return list(specs(config, _width(directory)))
    # Its size is not in the config, and neither is its name.
    (hookpoint,) = config.subject.hookpoints
    return [SaeSpec(name, hookpoint, 0, 0) for name in directory.sae_names()]


def _activations_of_another(
    directory: RunDirectory, spec: SaeSpec, facts: SaeFacts, broken: set[str]
) -> Iterator[str]:
    """Activation files whose subject, hookpoint or delay mapping differs from their SAE's."""
    for path in _stored(directory, spec.hookpoint):
        if path in broken:
            continue
        shard = ShardFacts.from_metadata(directory.read_metadata(path))
        try:
            refuse_mismatch(
                spec.name,
                facts,
                subject_fingerprint=shard.subject_fingerprint,
                hookpoint=shard.hookpoint,
                delay_mapping=shard.delay_mapping,
            )
        except PipelineError as error:
            yield f"{path}: {error}"


def _stored(directory: RunDirectory, hookpoint: str) -> list[str]:
    """The activation files of a hookpoint; none in a run that does not store them."""
    return shard_paths(directory, hookpoint) if planned(directory) is None else []


class Place(NamedTuple):
    """Where a track's activations are stored: the number of the shard and the row in it."""

    shard: int
    row: int
    track: str
    padded: bool
    """See `ShardFacts`."""


def wrong_activations(
    directory: RunDirectory, config: RunConfig, *, sample: int, progress: Progress
) -> Iterator[str]:
    """One line per hookpoint and sampled track whose recomputed activations differ from the stored.

    If they cannot be recomputed because the corpus or the subject is not on this machine, that is
    noted on `progress` and is not an error of the run. A subject with another fingerprint is one.
    """
    if sample == 0 or not directory.is_done("activations"):
        return
    try:
        fingerprint = identity.subject_fingerprint(config.subject)
        identity.corpus_fingerprint(config.corpus)
    except PipelineError as error:
        progress.note(f"activations were not recomputed: {error}")
        return
    stored = directory.description("subject_fingerprint")["subject_fingerprint"]
    if fingerprint != stored:
        model = config.subject.model
        yield f"subject {model}: its fingerprint is {fingerprint}, but the run's is {stored}"
        return
    yield from _compared(directory, config, _places(directory, config, sample), progress)


def _places(directory: RunDirectory, config: RunConfig, sample: int) -> list[Place]:
    """The sampled tracks: those whose names have the lowest hashes, the same at every call."""
    hookpoint = config.subject.hookpoints[0]
    every = [
        Place(number, row, track, facts.padded)
        for number in map(number_of, _stored(directory, hookpoint))
        for facts in [_facts(directory, hookpoint, number)]
        for row, track in enumerate(facts.tracks)
    ]
    return sorted(every, key=lambda p: hashlib.sha256(p.track.encode()).digest())[:sample]


def _facts(directory: RunDirectory, hookpoint: str, number: int) -> ShardFacts:
    return ShardFacts.from_metadata(directory.read_metadata(shard_path(hookpoint, number)))


def _compared(
    directory: RunDirectory, config: RunConfig, places: list[Place], progress: Progress
) -> Iterator[str]:
    corpus = config.corpus.path or Path()
    subject = load_subject(config.subject, device=config.machine.device)
    records = {record.track: record for record in usable_tracks(directory)}
    limit = LIMITS[config.subject.precision]
    progress.start("recompute", len(places), "track")
    for place in places:
        tracks, hookpoints = [records[place.track]], config.subject.hookpoints
        found = extract_tracks(subject, hookpoints, corpus, tracks, padded=place.padded)
        for reason in found.reasons.values():
            yield f"track {place.track}: cannot be recomputed: {reason}"
        for hookpoint, again in found.arrays.items():
            path = shard_path(hookpoint, place.shard)
            off = relative_error(directory.read_row(path, "activations", place.row), again[0])
            if not off <= limit:
                yield (
                    f"{path}: track {place.track} differs when recomputed: a tenth of its frames "
                    f"have a relative error above {off:.2g}; the limit is {limit:g}"
                )
        progress.advance()
    progress.finish()


def relative_error(stored: np.ndarray, again: np.ndarray) -> float:
    """The 0.9 quantile over frames of the relative error between two tracks [frame, d]; infinite
    if their shapes differ."""
    import numpy as np

    if stored.shape != again.shape:
        return float("inf")
    one, other = stored.astype(np.float64), again.astype(np.float64)
    scale = np.maximum(np.linalg.norm(one, axis=1), 1e-12)
    return float(np.quantile(np.linalg.norm(one - other, axis=1) / scale, QUANTILE))
