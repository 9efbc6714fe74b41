"""The sections on choices, agreement, and machine scores."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.estimates.results import Summary
from analysis.report.cells import per_method_table
from analysis.report.page import heading, paragraph

CHOICES = (
    "share_first_label",
    "share_first_label_chance",
    "share_label_elsewhere",
    "share_none_of_these",
    "share_label_at_least_4",
    "identification_accuracy",
    "identification_chance",
    "identification_corrected",
    "identification_d_prime",
    "type_2_auroc",
    "confidence_right",
    "confidence_wrong",
    *(f"confidence_rank_{rank}" for rank in range(1, 6)),
    "confidence_elsewhere",
    "consensus_modal_share",
    "consensus_modal_share_chance",
    "consensus_entropy",
    "consensus_entropy_chance",
)
CALIBRATION = ("brier", "ece", "ece_chance", "auroc_confidence")
AGREEMENT = (
    "alpha_ordinal",
    "alpha_interval",
    "gwet_ac2",
    "icc_1",
    "alpha_nominal",
    "gwet_ac1",
    "alpha_choice",
    "brennan_prediger_choice",
)


def choices(summary: Summary, pictures: dict[str, str]) -> Iterator[str]:
    """Which labels were chosen, with the values expected under random choice."""
    shown = per_method_table(
        summary,
        "<b>Table #.</b> Choices, with the value expected under random choice where there is one.",
        CHOICES,
    )
    if not shown:
        return
    yield heading("Choices", "choices", 3)
    yield shown
    if "consensus" in pictures:
        yield pictures["consensus"]


def machine(
    summary: Summary, pictures: dict[str, str], answers: str = "confidence"
) -> Iterator[str]:
    """Machine scores and the method's own confidence compared with the listeners' answers."""
    names = list(
        dict.fromkeys(
            e.name
            for e in summary.estimates
            if e.name.startswith(("spearman_", "choice_")) or e.name in CALIBRATION
        )
    )
    shown = per_method_table(
        summary,
        f"<b>Table #.</b> Machine scores compared with the listeners’ choices and {answers}.",
        names,
        few=len(names),
    )
    if not shown:
        return
    yield heading("Machine against listener", "machine", 3)
    yield shown
    yield from (pictures[name] for name in ("score", "reliability") if name in pictures)


def agreement(summary: Summary) -> Iterator[str]:
    """How much listeners agreed on the same feature under the same method."""
    yield heading("Agreement of listeners", "agreement", 3)
    reasons = {e.reason for e in summary.estimates if e.name in AGREEMENT}
    if all(e.value is None for e in summary.estimates if e.name in AGREEMENT) and len(reasons) == 1:
        yield paragraph(f"Not estimable: {reasons.pop()}.")
        return
    yield per_method_table(
        summary,
        "<b>Table #.</b> Agreement on the same feature under the same method. 1 is full agreement, "
        "0 is chance. The 95 % intervals are over listeners and features like these; they are "
        "conservative.",
        AGREEMENT,
    )
