"""What stands in a run's key for corpus, subject and methods: hashes of contents, not of paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline import clap, subjects
from pipeline.config import CorpusConfig, RunConfig, SubjectConfig
from pipeline.corpus.adapters import ADAPTERS
from pipeline.errors import PipelineError
from pipeline.labelers import in_order
from pipeline.registry import resolve
from pipeline.scorers import scorer
from pipeline.store.run_directory import sha256_of


def corpus(config: CorpusConfig) -> str:
    """Fingerprint of the corpus, as its adapter defines it.

    Raises `PipelineError` if no corpus is given or its folder is missing.
    """
    if config.path is None:
        raise PipelineError("no corpus is given: set [corpus] path, or use --corpus DIR")
    if not config.path.is_dir():
        raise PipelineError(f"corpus folder {config.path} does not exist")
    fingerprint: str = resolve(ADAPTERS, config.adapter, "corpus adapter").fingerprint(config.path)
    return fingerprint


def subject(config: SubjectConfig) -> str:
    """Fingerprint of the subject's weights and config, or of what a control reads instead."""
    return subjects.fingerprint_of(config)


def outside(config: RunConfig) -> dict[str, str]:
    """Of each config section of a method or scorer that the run uses, what it names.

    Raises `PipelineError` for an unknown method or scorer, and where a file is missing.
    """
    found: dict[str, str] = {}
    for labeler in in_order(config.labels.methods, config).values():
        found.update(labeler.outside(config))
    for name in config.scores.scorers:
        found.update(scorer(name).outside(config))
    if config.labels.synonyms == "clap" and "clap" not in found:
        found["clap"] = clap.fingerprint(config.clap)
    return found


def of_files(folder: Path, names: list[str]) -> str:
    """SHA-256 over the names and contents of files in `folder`, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{sha256_of(folder / name)}\n".encode())
    return digest.hexdigest()
