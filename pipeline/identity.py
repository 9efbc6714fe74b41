"""What a run's key is made of: the config without machine and paths, and hashes of the contents.

Two runs with the same key compute the same files: a run is identified by what it reads and
computes, not by where and how fast. So for the corpus, the subject and the methods' files the key
holds a hash of their contents in place of their paths.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pipeline import subjects
from pipeline.clap import backends
from pipeline.config import CorpusConfig, RunConfig, SaeConfig, SubjectConfig
from pipeline.config.run_config import METHOD_SECTIONS
from pipeline.corpus.adapters import ADAPTERS
from pipeline.errors import PipelineError
from pipeline.labelers import in_order
from pipeline.registry import resolve
from pipeline.scorers import scorer

PATH_KEYS = (("corpus", "path"), ("subject", "model"))
"""Paths that the key replaces by a fingerprint of what lies there, by section and key."""


def identity(
    config: RunConfig,
    *,
    corpus_fingerprint: str,
    subject_fingerprint: str,
    outside: Mapping[str, str] | None = None,
    checkpoint_fingerprint: str = "",
) -> dict[str, Any]:
    """The parts that identify a run: the config without machine and paths, plus fingerprints.

    `outside`: for each section of `METHOD_SECTIONS` that is used, the fingerprint of its files;
    `checkpoint_fingerprint`: that of `[sae] checkpoint`, if there is one.
    """
    parts = config.to_dict()
    for section in METHOD_SECTIONS:
        _keep_what_counts(parts, section, getattr(config, section), outside or {})
    # Runs made before these fields existed keep their key.
    defaults = {field.name: field.default for field in fields(SaeConfig)}
    for name in SaeConfig.SINCE_KEYS:
        if getattr(config.sae, name) == defaults[name]:
            del parts["sae"][name]
    if config.sae.checkpoint:
        # Nothing is trained: what the section says of a training affects nothing.
        parts["sae"] = {"checkpoint": checkpoint_fingerprint}
    del parts["machine"]
    for section, key in PATH_KEYS:
        parts[section].pop(key, None)
    parts["corpus"]["fingerprint"] = corpus_fingerprint
    parts["subject"]["fingerprint"] = subject_fingerprint
    return parts


def _keep_what_counts(
    parts: dict[str, Any], section: str, values: Any, outside: Mapping[str, str]
) -> None:
    """Reduce a method's section to what affects its labels; drop it if nothing uses it."""
    if section not in outside:
        del parts[section]
        return
    for name in (*getattr(values, "OPERATIONAL", ()), *values.PATHS):
        parts[section].pop(name, None)
    parts[section]["fingerprint"] = outside[section]


def key_of(parts: Mapping[str, Any]) -> str:
    """SHA-256 of an identity, in hexadecimal."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def corpus_fingerprint(config: CorpusConfig) -> str:
    """Fingerprint of the corpus, as its adapter defines it.

    Raises `PipelineError` if no corpus is given or its folder is missing.
    """
    folder = config.folder()
    if not folder.is_dir():
        raise PipelineError(f"corpus folder {folder} does not exist")
    fingerprint: str = resolve(ADAPTERS, config.adapter, "corpus adapter").fingerprint(folder)
    return fingerprint


def subject_fingerprint(config: SubjectConfig) -> str:
    """Fingerprint of the subject's weights and config, or of what a control reads instead."""
    return subjects.fingerprint_of(config)


def checkpoint_fingerprint(config: SaeConfig) -> str:
    """Fingerprint of the SAE that is adopted; empty if the run trains its own."""
    if not config.checkpoint:
        return ""
    from pipeline.sae import foreign

    return foreign.fingerprint_of(config.checkpoint)


def outside_fingerprints(config: RunConfig) -> dict[str, str]:
    """Fingerprints of the files that methods and scorers of the run use, by config section.

    Raises `PipelineError` for an unknown method or scorer, and if a file is missing.
    """
    found: dict[str, str] = {}
    for labeler in in_order(config.labels.methods, config).values():
        found.update(labeler.outside(config))
    for name in config.scores.scorers:
        found.update(scorer(name).outside(config))
    if config.labels.synonyms == "clap" and "clap" not in found:
        found["clap"] = backends.fingerprint(config.clap)
    return found
