"""What a researcher sees of a study that runs, and the one way to see more: to be unblinded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from studyapp.core.keys import keyed_hash
from studyapp.exports import flags as quality
from studyapp.exports import selectors as rows
from studyapp.models import Participation, Study
from studyapp.monitoring import selectors
from studyapp.monitoring.selectors import Pace
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.studies.selectors import people, progress
from studyapp.studies.selectors.progress import Cells
from studyapp.studies.services import blinding, frames

if TYPE_CHECKING:
    pass

FLAGGED = 300
"""Flags are counted over so many of the newest complete participations."""
BLIND_SALT = "earwitness.blind"
MOVING = (Study.State.OPEN, Study.State.PAUSED)


@dataclass(frozen=True)
class Cost:
    """What the participants are paid, where the study says what."""

    currency: str
    so_far: Decimal
    """Complete participations, simulated ones left out."""
    planned: Decimal
    """Every place of the study."""


@dataclass(frozen=True)
class Monitor:
    """A study's page while it runs."""

    states: list[tuple[str, int, int]]
    """State, participations, of which simulated."""
    cells: list[tuple[str, Cells]]
    """Condition's name, or its number while blind, and how full its cells are."""
    items: list[tuple[int, int]]
    """Ratings, items that have so many."""
    pace: Pace
    dropouts: list[tuple[str, int]]
    """Page, participations that left there."""
    cost: Cost | None
    places: int
    complete: int
    blind: bool
    unblinded_at: datetime | None
    moving: bool
    """Whether answers can come in."""

    @property
    def has_simulated(self) -> bool:
        """Whether any participation is a simulated listener's."""
        return any(simulated for _, _, simulated in self.states)

    @property
    def answers(self) -> int:
        """Main answers of complete participations."""
        return sum(cells.ratings for _, cells in self.cells)

    @property
    def wished(self) -> int:
        """Ratings wished over all cells."""
        return sum(cells.wished for _, cells in self.cells)


def monitor(study: Study) -> Monitor:
    """All of it, in a handful of queries whatever came in."""
    states = selectors.states(study)
    finished = {name: (n, simulated) for name, n, simulated in states}
    complete, simulated = finished.get(Participation.Status.COMPLETE.label, (0, 0))
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
        places=places,
        complete=complete if study.rehearsal else complete - simulated,
        blind=blind,
        unblinded_at=study.unblinded_at,
        moving=study.state in MOVING,
    )


@dataclass(frozen=True)
class Flags:
    """How often each flag stands on the newest complete participations."""

    participations: int
    flagged: int
    counts: list[tuple[str, int]]
    """Flag, in words, and how many participations carry it."""


def flags(study: Study) -> Flags:
    """By the study's own rules; flags are for information only and change nothing."""
    counted = study.participations.filter(people.counted(study))
    complete = counted.filter(status=Participation.Status.COMPLETE)
    newest = list(complete.order_by("-pk").values_list("pk", flat=True)[:FLAGGED])
    counts: Counter[str] = Counter()
    flagged = 0
    for _, answers in rows.responses_of(study, among=newest):
        facts = [quality.facts(row) for row in answers]
        own = quality.participation_flags(facts, study.quality_rules)
        counts.update(own)
        flagged += bool(own)
    known = [(name.replace("_", " "), counts[name]) for name in quality.PARTICIPATION_FLAGS]
    return Flags(len(newest), flagged, known)


def _conditions(study: Study, *, blind: bool) -> list[tuple[str, Cells]]:
    cells = progress.cells_of(study)
    if not blind:
        return [(own.method, own) for own in cells]
    # In an order that only the site's key knows: anybody could shuffle by the seed, which is shown.
    cells.sort(key=lambda own: keyed_hash(BLIND_SALT, f"{study.pk} {own.method}"))
    return [(f"condition {number}", own) for number, own in enumerate(cells, start=1)]


def _cost(study: Study, complete: int, places: int) -> Cost | None:
    row = recruitment_selectors.of_study(study)
    if row.payment is None:
        return None
    return Cost(row.currency, row.payment * complete, row.payment * places)
