"""Flags of answers and participations, for information only.

A flag deletes nothing, rejects nobody and changes no estimate: the analysis excludes participants
by rules that are fixed in the study. A participation's flags have the same names as those that
`analysis.reading.quality` computes from the table.

The study's `quality_rules`, frozen with it:

- `fast_seconds`: an answer is `fast` if it comes within this many seconds after the total length
  of the sounds, the shortest time in which all of them can be heard;
- `straight_line`: minimum number of main answers from which identical answers are flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studyapp.exports.selectors import ResponseRow
from studyapp.models import Participation

ANSWER_FLAGS = (
    "audio_error", "not_heard_to_the_end", "under_clip_length", "fast", "failed_catch",
    "changed_label", "play_rules",
)  # fmt: skip
PARTICIPATION_FLAGS = (
    "failed_catch", "same_confidence", "same_position", "rushed", "inconsistent",
)  # fmt: skip
SUBMISSION_FLAGS = ("submission_unverified", "submission_unknown")
"""For participations from a recruiting service that was unreachable or does not know them."""
RUSHED_SHARE = 0.5
"""A participation is `rushed` from this share of main answers under the sounds' length."""


@dataclass(frozen=True)
class Facts:
    """What the flags of a participation use from one of its answers."""

    kind: str
    position: int | None
    """None if nothing was chosen."""
    confidence: int
    flags: tuple[str, ...]


def answer_flags(row: ResponseRow) -> list[str]:
    """Return the flags of one answer, in the order of `ANSWER_FLAGS`."""
    ms, kind = row.response.response_ms, row.trial.kind
    least = row.item.seconds * 1000
    fast = least + row.study.quality_rules["fast_seconds"] * 1000
    found = {
        "audio_error": row.listening.errors > 0,
        "not_heard_to_the_end": not row.listening.ended >= set(row.study.kind.numbers),
        "under_clip_length": ms < least,
        "fast": least <= ms < fast,
        "failed_catch": kind == "catch" and not row.chose_target,
        "play_rules": _breaks_rules(row),
        "changed_label": kind == "repeat" and row.chosen_before not in (None, row.chosen_index),
    }
    return [name for name in ANSWER_FLAGS if found[name]]


def _breaks_rules(row: ResponseRow) -> bool:
    """Whether a sound was begun more often, or elsewhere, than the study's players allow.

    A page that was loaded again in the middle of a sound counts its start twice.
    """
    study, heard = row.study, row.listening
    too_often = study.most_plays and any(n > study.most_plays for n in heard.starts.values())
    is_fixed = study.from_start or study.most_plays
    resumed = study.from_start and sum(heard.plays.values()) > sum(heard.starts.values())
    return bool(too_often or (is_fixed and heard.seeks) or resumed)


def facts(row: ResponseRow) -> Facts:
    """Return what the participation's flags use from the answer."""
    answer = row.response
    return Facts(row.trial.kind, answer.choice, answer.confidence, tuple(answer_flags(row)))


def submission_flags(participation: Participation) -> list[str]:
    """Return the flag for a submission that the recruiting service did not confirm."""
    return [name for name in SUBMISSION_FLAGS if name == f"submission_{participation.submission}"]


def participation_flags(answers: Sequence[Facts], rules: Mapping[str, float]) -> list[str]:
    """Return the flags of a participation with these answers, in order."""
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
