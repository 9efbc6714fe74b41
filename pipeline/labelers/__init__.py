"""Methods that name features. Each is one file; naming it here does not import it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.labelers.base import Labeler

# To add a method: one file in pipeline/labelers/ with a class on `base.Labeler`, and a line here.
# docs/adding-a-method.md tells it whole; tests/pipeline/labelers/test_contract.py runs over every
# entry.
LABELERS: dict[str, str] = {
    "descriptors": "pipeline.labelers.descriptors.Descriptors",
    "corpus-tags": "pipeline.labelers.corpus_tags.CorpusTags",
    "essentia": "pipeline.labelers.essentia.labeler.Essentia",
    "essentia-paper": "pipeline.labelers.essentia.labeler.EssentiaPaper",
    "essentia-relative": "pipeline.labelers.essentia.labeler.EssentiaRelative",
    "gemini": "pipeline.labelers.gemini.labeler.Gemini",
    "free-text": "pipeline.labelers.free_text.FreeText",
    "ensemble": "pipeline.labelers.ensemble.Ensemble",
    "random-label": "pipeline.labelers.random_label.RandomLabel",
}
DERIVED = ("ensemble", "random-label")
"""Made of other methods' labels: never a source unless named as one."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?")


def labeler(method: str) -> Labeler:
    """The labeler of `METHOD` or `METHOD@VARIANT`.

    Raises `PipelineError` for an unknown method, with the list of the known ones, and for a
    variant of a method that has none.
    """
    name, _, variant = method.partition("@")
    kind: type[Labeler] = resolve(LABELERS, name, "labeling method")
    if not NAME.fullmatch(method):
        raise PipelineError(f"labeling method {method!r} is not of the form METHOD or METHOD@MODEL")
    if variant and not kind.takes_variant:
        raise PipelineError(f"labeling method {name} has no variants, so {method!r} means nothing")
    return kind(variant)


def is_derived(method: str) -> bool:
    """Whether a method is made of others' labels."""
    return method.partition("@")[0] in DERIVED


def in_order(methods: Sequence[str], config: RunConfig) -> dict[str, Labeler]:
    """The labelers of `methods`, each after those it is made of.

    Raises `PipelineError` if one is made of a method that the run does not have, or of itself.
    """
    made = {method: labeler(method) for method in methods}
    order: dict[str, Labeler] = {}

    def add(method: str, above: tuple[str, ...]) -> None:
        if method in above:
            raise PipelineError(f"labeling method {method} is made of itself")
        for source in made[method].sources(config):
            if source not in made:
                raise PipelineError(
                    f"labeling method {method} is made of {source}, which [labels] methods lacks"
                )
            add(source, (*above, method))
        order.setdefault(method, made[method])

    for method in methods:
        add(method, ())
    return order
