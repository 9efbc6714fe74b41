"""Labeling methods. Each is a file or a folder, which is imported only when the method is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.labelers.base import Labeler

# To add a method: write one file in pipeline/labelers/ with a subclass of `base.Labeler`, and add a
# line here and in ABOUT. docs/adding-a-method.md explains how;
# tests/pipeline/labelers/test_contract.py tests every entry.
LABELERS: dict[str, str] = {
    "descriptors": "pipeline.labelers.descriptors.Descriptors",
    "corpus-tags": "pipeline.labelers.corpus_tags.CorpusTags",
    "essentia": "pipeline.labelers.essentia.labeler.Essentia",
    "essentia-paper": "pipeline.labelers.essentia.labeler.EssentiaPaper",
    "essentia-relative": "pipeline.labelers.essentia.labeler.EssentiaRelative",
    "gemini": "pipeline.labelers.gemini.labeler.Gemini",
    "audio-chat": "pipeline.labelers.audio_chat.labeler.AudioChat",
    "captioner": "pipeline.labelers.captioner.labeler.CaptionerLabeler",
    "free-text": "pipeline.labelers.free_text.FreeText",
    "ensemble": "pipeline.labelers.ensemble.Ensemble",
    "random-label": "pipeline.labelers.random_label.RandomLabel",
}
ABOUT: dict[str, str] = {
    "descriptors": "Words for measured properties of the sound. Needs nothing.",
    "corpus-tags": "The corpus’s own tags that the exemplars share. Needs a corpus with tags.",
    "essentia": "Tags of Essentia’s classifiers that stand out from the corpus. Needs the package "
    "essentia-tensorflow and its models.",
    "essentia-paper": "The same classifiers, ranked as in the paper, by probability.",
    "essentia-relative": "The same classifiers, ranked by how far the exemplars differ.",
    "gemini": "A large model listens and proposes names. Costs money; needs a key, a connection "
    "and the package google-genai.",
    "audio-chat": "Any model behind an OpenAI-compatible address that takes audio. May cost money; "
    "needs an address, a price, and perhaps a key.",
    "captioner": "A music captioner on this machine listens. Needs its files, and a GPU for speed.",
    "free-text": "What listeners wrote in an earlier study. Needs its responses.csv.",
    "ensemble": "Merges the labels of the other methods. Needs at least one of them.",
    "random-label": "Control: the labels of another feature. Needs another method.",
}
"""What each method is and what it needs, in one line for people who choose among them."""
DERIVED = ("ensemble", "random-label")
"""Methods that re-use other methods' labels; never a source themselves unless named as one."""
CONTROLS = ("random-label",)
"""Methods that label without listening, so that the others can be compared with them."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]*(@[A-Za-z0-9][A-Za-z0-9._-]*)?")


def labeler(method: str) -> Labeler:
    """The labeler for `METHOD` or `METHOD@VARIANT`.

    Raises `PipelineError` for an unknown method, with the list of known ones, and for a variant of
    a method that has no variants.
    """
    name, _, variant = method.partition("@")
    kind: type[Labeler] = resolve(LABELERS, name, "labeling method")
    if not NAME.fullmatch(method):
        raise PipelineError(f"labeling method {method!r} is not of the form METHOD or METHOD@MODEL")
    if variant and not kind.takes_variant:
        raise PipelineError(f"labeling method {name} has no variants, so {method!r} is unknown")
    return kind(variant)


def is_derived(method: str) -> bool:
    """Whether a method re-uses other methods' labels."""
    return method.partition("@")[0] in DERIVED


def is_control(method: str) -> bool:
    """Whether a method is a control."""
    return method.partition("@")[0] in CONTROLS


def in_order(methods: Sequence[str], config: RunConfig) -> dict[str, Labeler]:
    """The labelers of `methods`, each after the methods whose labels it uses.

    Raises `PipelineError` if one uses a method that the run does not have, or itself.
    """
    made = {method: labeler(method) for method in methods}
    order: dict[str, Labeler] = {}

    def add(method: str, above: tuple[str, ...]) -> None:
        if method in above:
            raise PipelineError(f"labeling method {method} uses its own labels")
        for source in made[method].sources(config):
            if source not in made:
                raise PipelineError(
                    f"labeling method {method} uses the labels of {source}, which is missing from "
                    "[labels] methods"
                )
            add(source, (*above, method))
        order.setdefault(method, made[method])

    for method in methods:
        add(method, ())
    return order
