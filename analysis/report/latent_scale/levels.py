"""Listeners' severity and features' difficulty: a figure; the numbers are in two tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analysis.report.page import heading, paragraph


def latent_levels(pictures: Mapping[str, str]) -> Iterator[str]:
    """The section; nothing where no joint model was fitted."""
    if "levels" not in pictures:
        return
    yield heading("Severe listeners, difficult features", "levels", 3)
    yield paragraph(
        "Read as a graded-response model with the same discrimination everywhere, the joint model "
        "says how severe each listener is and how hard it is for a feature’s labels to earn "
        "confidence, whatever the method. The numbers are in "
        "<code>tables/listeners_severity.csv</code> and "
        "<code>tables/features_difficulty.csv</code>."
    )
    yield pictures["levels"]
