"""The joint mixed model: the means and shares that it implies, and its random effects."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Estimate, Summary
from analysis.models.mixed import ALL_METHODS
from analysis.report.cells import first_up, per_method_table, stacked
from analysis.report.page import heading, html_table, paragraph

IMPLIED = ("clmm_mean_confidence", "clmm_share_at_least_4")


def joint_model(summary: Summary) -> Iterator[str]:
    """The section; nothing where no joint model was fitted."""
    implied = per_method_table(
        summary,
        "<b>Table #.</b> Means and shares by the joint mixed model (logit), averaged over "
        "participants and features like these. Their differences are in the table of differences.",
        IMPLIED,
    )
    if not implied:
        return
    yield heading("One model of all methods", "joint-model", 3)
    yield paragraph(
        "A cumulative link mixed model of all methods together: its differences add up. Its "
        "random effects are those that the design allows; an interaction with the method whose "
        "standard deviation is estimated at 0 is dropped."
    )
    yield implied
    rows = [[first_up(e.label), stacked(e)] for e in summary.estimates if _is_spread(e)]
    yield html_table(
        "<b>Table #.</b> Random effects of the joint mixed model, on the latent scale.",
        ["", "standard deviation"],
        rows,
    )


def _is_spread(e: Estimate) -> bool:
    return e.method == ALL_METHODS and e.name.startswith("clmm_logit_sd_")
