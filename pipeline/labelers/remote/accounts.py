"""What a run spends on all paid services together, and what it would spend per feature."""

from __future__ import annotations

from typing import cast

from pipeline.config import PAID_METHODS, RunConfig, config_from_dict
from pipeline.labelers import labeler
from pipeline.labelers.remote.api import Api
from pipeline.labelers.remote.costs import cost_per_question, ledger_of, spending_of
from pipeline.labelers.remote.labeler import Remote
from pipeline.store.run_directory import RunDirectory, RunPlace, opened


def remote_methods(config: RunConfig) -> list[Remote]:
    """The labelers of the run that ask a paid service."""
    return [cast(Remote, labeler(name)) for name in config.labels.methods if is_paid(name)]


def is_paid(method: str) -> bool:
    """Whether a labeling method (`METHOD` or `METHOD@MODEL`) asks a paid service."""
    return method.partition("@")[0] in PAID_METHODS


def dollars_per_feature(config: RunConfig) -> float:
    """Cost at the config's prices of a feature whose exemplars all have the maximum length.

    Raises `PipelineError` if a model has no price.
    """
    return sum(
        cost_per_question(one.api(config), one.model(config), config)
        for one in remote_methods(config)
    )


def spent(place: RunPlace) -> float:
    """US dollars that the run at `place` has spent on paid services, for all SAEs and methods,
    including calls with an unknown outcome; 0 for a run that asked nothing.

    Raises `PipelineError` if there is no run or its config cannot be read.
    """
    directory = opened(place)
    config = config_from_dict(directory.description("config")["config"])
    return sum(_spent(_api(method, config), directory) for method in PAID_METHODS)


def _api(method: str, config: RunConfig) -> Api:
    made = cast(Remote, labeler(method))
    return made.api(config)


def _spent(api: Api, directory: RunDirectory) -> float:
    counted = spending_of(api, directory)
    for entry in ledger_of(api, directory).entries():
        counted.take(entry)
    return counted.dollars
