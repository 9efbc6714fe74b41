"""What stands in a run's key for the corpus and the subject: hashes of contents, not of paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.artifacts import sha256_of
from pipeline.config import CorpusConfig, SubjectConfig
from pipeline.corpora import ADAPTERS
from pipeline.errors import PipelineError
from pipeline.registry import resolve
from pipeline.subjects import SUBJECTS


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
    """Fingerprint of the subject's weights and config, as its backend defines it."""
    fingerprint: str = resolve(SUBJECTS, config.backend, "subject backend").fingerprint_of(config)
    return fingerprint


def of_files(folder: Path, names: list[str]) -> str:
    """SHA-256 over the names and contents of files in `folder`, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{sha256_of(folder / name)}\n".encode())
    return digest.hexdigest()
