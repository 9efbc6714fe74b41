"""The figures on a study's page while it runs; nothing by method until it may be unblinded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from studyapp.core.keys import keyed_hash
from studyapp.models import Participation, Study
from studyapp.monitoring.selectors import overview as selectors
from studyapp.monitoring.selectors.overview import Pace
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.studies.selectors import progress
from studyapp.studies.selectors.progress import Cells
from studyapp.studies.services import blinding, frames

BLIND_SALT = "earwitness.blind"


@dataclass(frozen=True)
class Cost:
    """What participants are paid, if the study sets a payment."""

    currency: str
    so_far: Decimal
    """For complete participations, not counting simulated ones."""
    planned: Decimal
    """For every place of the study."""


@dataclass(frozen=True)
class Monitor:
    """The figures on a study's page."""

    states: list[tuple[str, int, int]]
    """State, participations, of which simulated."""
    cells: list[tuple[str, Cells]]
    """The condition's name, or its number while blinded, and how far its items are filled. Blinded
    and with a condition that was switched, all conditions are one row."""
    items: list[tuple[int, int]]
    """A number of ratings, and the number of items that have that many."""
    pace: Pace
    dropouts: list[tuple[str, int]]
    """Page, number of participations that dropped out there."""
    cost: Cost | None
    inside: int
    """People who are taking part at this moment; in a rehearsal, simulated ones too."""
    places: int
    complete: int
    problems: int
    """Reports of technical problems."""
    blind: bool
    unblinded_at: datetime | None
    running: bool
    """Whether answers can still come in."""

    @property
    def has_simulated(self) -> bool:
        """Whether any participation is simulated."""
        return any(simulated for _, _, simulated in self.states)

    @property
    def answers(self) -> int:
        """Main answers in complete participations."""
        return sum(cells.ratings for _, cells in self.cells)

    @property
    def planned(self) -> int:
        """Ratings planned over all conditions."""
        return sum(cells.planned for _, cells in self.cells)


def monitor(study: Study) -> Monitor:
    """All figures, in a fixed number of queries however many participations there are."""
    states = selectors.states(study)
    finished = {name: (n, simulated) for name, n, simulated in states}
    complete, simulated = finished.get(Participation.Status.COMPLETE.label, (0, 0))
    active, active_simulated = finished.get(Participation.Status.ACTIVE.label, (0, 0))
    places, blind = frames.places(study), not blinding.may_be_seen(study)
    cells = _conditions(study, blind=blind)
    items = Counter(ratings for _, own in cells for ratings in own.per_item)
    return Monitor(
        states=states,
        cells=cells,
        items=sorted(items.items()),
        pace=selectors.pace(study),
        dropouts=selectors.dropouts(study),
        cost=_cost(study, complete - simulated, places),
        inside=active if study.rehearsal else active - active_simulated,
        places=places,
        complete=complete if study.rehearsal else complete - simulated,
        problems=selectors.problems(study),
        blind=blind,
        unblinded_at=study.unblinded_at,
        running=study.state in Study.UNDER_WAY,
    )


def _conditions(study: Study, *, blind: bool) -> list[tuple[str, Cells]]:
    cells = progress.cells_of(study)
    if not blind:
        return [(own.method, own) for own in cells]
    if selectors.was_switched(study):
        # Everyone knows which condition it was: the one whose ratings stop would give its number.
        return [("all conditions", progress.joined(cells))]
    # Ordered by the site's secret key: the study's seed is shown, so anyone could redo its shuffle.
    cells.sort(key=lambda own: keyed_hash(BLIND_SALT, f"{study.pk} {own.method}"))
    return [(f"condition {number}", own) for number, own in enumerate(cells, start=1)]


def _cost(study: Study, complete: int, places: int) -> Cost | None:
    row = recruitment_selectors.of_study(study)
    if row.payment is None:
        return None
    return Cost(row.currency, row.payment * complete, row.payment * places)
