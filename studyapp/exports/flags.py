"""Flags: what a reader should know of an answer or of a participation; for information only.

Nothing is deleted, nobody is turned away and no estimate changes because of a flag: exclusions are
the analysis's, by rules fixed in the study. The names of a participation's flags are those that
`analysis.reading.quality` gives from the table alone.

The study's `quality_rules`, frozen with it:

- `fast_seconds`: an answer is `fast` within this many seconds after the sounds' own length, the
  least time in which all three can be heard;
- `straight_line`: from this many main answers on, "always the same" is a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studyapp.exports.selectors import ResponseRow
from studyapp.models import Participation

ANSWER_FLAGS = (
    "audio_error", "not_heard_to_the_end", "under_clip_length", "fast", "failed_catch",
    "changed_label",
)  # fmt: skip
PARTICIPATION_FLAGS = (
    "failed_catch", "same_confidence", "same_position", "rushed", "inconsistent",
)  # fmt: skip
SUBMISSION_FLAGS = ("submission_unverified", "submission_unknown")
"""Of participations by a recruiting service: it could not be asked, or does not know them."""
RUSHED_SHARE = 0.5
"""Share of main answers under the sounds' length from which a participation is `rushed`."""


@dataclass(frozen=True)
class Facts:
    """What the flags of a participation need of one of its answers."""

    kind: str
    position: int
    confidence: int
    flags: tuple[str, ...]


def answer_flags(row: ResponseRow) -> list[str]:
    """The flags of one answer, in the order of `ANSWER_FLAGS`."""
    ms, kind = row.response.response_ms, row.trial.kind
    least = row.item.seconds * 1000
    fast = least + row.study.quality_rules["fast_seconds"] * 1000
    found = {
        "audio_error": row.listening.errors > 0,
        "not_heard_to_the_end": row.listening.ended != {1, 2, 3},
        "under_clip_length": ms < least,
        "fast": least <= ms < fast,
        "failed_catch": kind == "catch" and not row.chose_target,
        "changed_label": kind == "repeat" and row.chosen_before not in (None, row.chosen_index),
    }
    return [name for name in ANSWER_FLAGS if found[name]]


def facts(row: ResponseRow) -> Facts:
    """The answer as the flags of its participation see it."""
    answer = row.response
    return Facts(row.trial.kind, answer.choice, answer.confidence, tuple(answer_flags(row)))


def submission_flags(participation: Participation) -> list[str]:
    """What the recruiting service says of it, where that is a reason for doubt."""
    return [name for name in SUBMISSION_FLAGS if name == f"submission_{participation.submission}"]


def participation_flags(answers: Sequence[Facts], rules: Mapping[str, float]) -> list[str]:
    """The flags of a participation with these answers, in the order of `PARTICIPATION_FLAGS`."""
    main = [one for one in answers if one.kind == "main"]
    repeats = [one for one in answers if one.kind == "repeat"]
    is_line = len(main) >= rules["straight_line"]
    short = sum("under_clip_length" in one.flags for one in main)
    found = {
        "failed_catch": any("failed_catch" in one.flags for one in answers),
        "same_confidence": is_line and len({one.confidence for one in main}) == 1,
        "same_position": is_line and len({one.position for one in main}) == 1,
        "rushed": bool(main) and short >= RUSHED_SHARE * len(main),
        "inconsistent": bool(repeats) and all("changed_label" in one.flags for one in repeats),
    }
    return [name for name in PARTICIPATION_FLAGS if found[name]]
