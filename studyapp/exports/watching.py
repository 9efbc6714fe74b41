"""What the pages of a participation reported about their use, from its answers and steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studyapp.exports.machines import Watched, WatchedTrial
from studyapp.exports.selectors import ResponseRow
from studyapp.models import Event, Participation
from studyapp.models.steps import Step


def watched(participation: Participation, answers: Sequence[ResponseRow]) -> Watched:
    """What its trials' pages reported, and its answers to the two questions.

    The participation's steps are prefetched.
    """
    taken = participation.steps_taken.all()
    data: dict[str, Any] = next(
        (one.data for one in taken if one.step == Step.HEARING and one.done_at), {}
    )
    return Watched(
        trials=[_trial(row) for row in answers],
        targets=data.get("targets", {}),
        given=data.get("given", {}),
    )


def _trial(row: ResponseRow) -> WatchedTrial:
    seen, said = row.listening, row.listening.watched
    kinds = Event.Type
    lost, gained = (seen.focus_ms.get(kind, -1) for kind in (kinds.BLUR, kinds.FOCUS))
    after = None if seen.last_end_ms is None else row.response.response_ms - seen.last_end_ms
    return WatchedTrial(
        after_ms=after,
        text=len(row.response.free_text),
        pastes=said.get(kinds.PASTE, 0),
        keys=said.get(kinds.KEYS, 0),
        interval_ms=said.get(kinds.KEY_INTERVAL),
        spread_ms=said.get(kinds.KEY_SPREAD),
        moves=said.get(kinds.POINTER, 0),
        presses=said.get(kinds.PRESSES, 0),
        had_input=seen.had_input,
        had_focus=gained >= lost,
    )
