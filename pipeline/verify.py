"""Is a run directory what it says it is? Hashes, each SAE against what it reads, and a sample of
activations against the subject."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.config import config_from_dict
from pipeline.devices import on_device
from pipeline.errors import PipelineError
from pipeline.progress import Progress
from pipeline.recompute import wrong_activations
from pipeline.sae.checkpoint import SaeFacts, cfg_path, read_facts, refuse_mismatch
from pipeline.sae.specs import SaeSpec, specs
from pipeline.store.activations import ShardFacts, shard_paths
from pipeline.store.run_directory import RunDirectory, sha256_of

SAMPLE_TRACKS = 3


def verify(
    path: Path,
    *,
    progress: Progress,
    sample: int = SAMPLE_TRACKS,
    corpus: Path | None = None,
    device: str | None = None,
) -> list[str]:
    """Every problem found, a line each; none if the run and all its controls are sound.

    The activations of `sample` tracks are computed again; `corpus` says where the corpus is now,
    if it is no longer where the run read it, `device` where to compute. Raises `PipelineError` if
    `path` is no run directory.
    """
    directory = RunDirectory(path)
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
        found = verify(control.path, progress=progress, sample=sample, corpus=corpus, device=device)
        name = control.path.relative_to(directory.path).as_posix()
        problems.extend(f"{name}/{problem}" for problem in found)
    return problems


def _wrong_hashes(
    directory: RunDirectory, files: dict[str, str], progress: Progress
) -> Iterator[str]:
    for name, digest in sorted(files.items()):
        file = directory.path_of(name)
        if not file.is_file():
            yield f"{name}: missing"
        elif sha256_of(file) != digest:
            yield f"{name}: its SHA-256 is not the manifest's"
        progress.advance()


def _width(directory: RunDirectory) -> int:
    """Of the subject's residual stream, as the stage `activations` found it."""
    width = directory.stated("activations", "subject", dict).get("width")
    if not isinstance(width, int):
        raise PipelineError(f"{directory.path}: its manifest has {width!r} as the subject's width")
    return width


def _wrong_saes(directory: RunDirectory, run: dict[str, Any], broken: set[str]) -> Iterator[str]:
    """SAEs that are not where the config has them, or that read what is not theirs."""
    if not directory.is_done("sae"):
        return
    width = _width(directory)
    for spec in specs(config_from_dict(run["config"]), width):
        path = cfg_path(spec.name)
        if path in broken:
            continue
        facts = read_facts(directory, spec.name)
        if facts.subject_fingerprint != run["subject_fingerprint"]:
            yield f"{path}: of another subject than the run"
        if facts.hookpoint != spec.hookpoint:
            yield f"{path}: reads {facts.hookpoint}, the config has {spec.hookpoint}"
        yield from _wrong_activations(directory, spec, facts, broken)


def _wrong_activations(
    directory: RunDirectory, spec: SaeSpec, facts: SaeFacts, broken: set[str]
) -> Iterator[str]:
    """Activation files that are not of the subject, hookpoint and delay mapping of their SAE."""
    for path in shard_paths(directory, spec.hookpoint):
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
