"""Methods that name features. Each is one file; naming it here does not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.registry import resolve

if TYPE_CHECKING:
    from pipeline.labelers.base import Labeler

# To add a method: one file in pipeline/labelers/ whose class follows `base.Labeler`, and a line
# here. tests/pipeline/labelers/test_contract.py runs over every entry.
LABELERS: dict[str, str] = {
    "descriptors": "pipeline.labelers.descriptors.Descriptors",
    "corpus-tags": "pipeline.labelers.corpus_tags.CorpusTags",
}


def labeler(method: str) -> Labeler:
    """The labeler of a method; an unknown name is refused with the list of the known ones."""
    made: Labeler = resolve(LABELERS, method, "labeling method")()
    return made
