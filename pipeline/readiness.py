"""What a run needs of this machine beyond its config: folders, models, packages and keys.

Nothing is loaded, hashed or fetched, so that a page can ask at every keystroke, and a worker before
the first stage of a run that would otherwise fail after hours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from pipeline.clap import backends
from pipeline.config import RunConfig, SubjectConfig
from pipeline.errors import PipelineError
from pipeline.labelers import in_order, labeler
from pipeline.scorers import scorer
from pipeline.subjects import sources
from pipeline.subjects.import_stubs import check_installed

OFFLINE = "HF_HUB_OFFLINE"
"""If this variable is set, a model of the hub has to be on this machine already."""


def missing(config: RunConfig, *, until: str = "scores") -> list[str]:
    """What is missing for the stages up to `until`, one line each, which also says what to do."""
    found: list[str] = []
    for stage, checks in _checks(config).items():
        found += [line for check in checks if (line := fault_of(check))]
        if stage == until:
            break
    return list(dict.fromkeys(found))


def require(config: RunConfig, *, until: str = "scores") -> None:
    """Raise `PipelineError` with the first line of `missing`."""
    for line in missing(config, until=until):
        raise PipelineError(line)


def fault_of(check: Callable[[], object]) -> str:
    """The line of the `PipelineError` that a check raises; empty if it raises none."""
    try:
        check()
    except PipelineError as error:
        return str(error)
    return ""


def _checks(config: RunConfig) -> dict[str, list[Callable[[], object]]]:
    """Stage → what has to be there before it begins; `until` may name any stage of the run."""
    return {
        "corpus": [partial(_corpus, config)],
        "activations": [partial(_subject, config.subject)],
        "sae": [],
        "features": [],
        "exemplars": [],
        "labels": [*_methods(config)],
        "scores": [*_scorers(config)],
    }


def _methods(config: RunConfig) -> Iterator[Callable[[], object]]:
    yield partial(in_order, config.labels.methods, config)
    for name in config.labels.methods:
        yield partial(method_is_ready, name, config)
    if config.labels.synonyms == "clap":
        yield partial(backends.ready, config.clap)


def method_is_ready(name: str, config: RunConfig) -> None:
    """Raise `PipelineError` if this machine lacks what a labeling method needs."""
    labeler(name).ready(config)


def _scorers(config: RunConfig) -> Iterator[Callable[[], object]]:
    for name in config.scores.scorers:
        yield partial(scorer_is_ready, name, config)


def scorer_is_ready(name: str, config: RunConfig) -> None:
    """Raise `PipelineError` if this machine lacks what a scorer needs."""
    scorer(name).ready(config)


def _corpus(config: RunConfig) -> None:
    folder = config.corpus.folder()
    if not folder.is_dir():
        raise PipelineError(f"corpus folder {folder} does not exist")


def _subject(config: SubjectConfig) -> None:
    if config.backend == "audiocraft":
        check_installed()
    if os.path.isabs(config.model) or os.environ.get(OFFLINE):
        sources.folder_of(config.model)
