"""The power of a planned design: requested by a page, estimated by a worker.

The draft's row holds the latest numbers and their estimate. A worker that finds other numbers there
than it began with discards its result; the page asks again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from studyapp.jobs import selectors as job_selectors
from studyapp.jobs.services import jobs
from studyapp.models import Job, Study, StudyDraft
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.results import services as results
from studyapp.studies import contrasts
from studyapp.studies.services.frames import participations
from studyapp.wizard.services.answers import TEST, Answers, pairs, participants

KIND = "power"
"""Of the job that estimates the power, in `studyapp.jobs.tasks.WORK`."""
MOST_RATINGS = 50_000
"""Ratings per method up to which a design is simulated; beyond, the interval is narrow anyway."""
SIMULATIONS = 200
SEARCHING = 100
"""Simulations for each size that the search tries."""
TIES = 0.2
"""Of pairs with "No difference": how often it is assumed to be said of two equal clips."""
WANTED = 0.8
"""The power for which the number of participants is sought."""


@dataclass(frozen=True)
class Estimate:
    """What a page shows about the power of a design."""

    moving: bool = False
    """Whether a worker is estimating it."""
    problem: str = ""
    found: dict[str, Any] | None = None
    """The fields of `results.PowerEstimate`."""
    needed: dict[str, Any] | None = None
    """Those of `results.Needed` for `WANTED`."""


def comparisons(answers: Answers) -> int:
    """How many confirmatory tests the plan's correction covers, at least 1."""
    planned = answers["comparisons"]
    compared = pairs(answers["methods"]) if planned is None else planned
    tests = answers["plan_kept"].get("confirmatory") or [TEST]
    return max(1, len(compared) * len(tests))


def question(answers: Answers) -> dict[str, Any]:
    """The numbers on which an estimate depends, for two of the chosen methods."""
    trials, methods = answers["trials_per_participation"], len(answers["methods"])
    within = answers["design"] == Study.Design.WITHIN
    return {
        "participants": participations(
            features=answers["features_wanted"],
            ratings=answers["ratings_per_item"],
            trials=trials,
            conditions=methods if within else 1,
            within=within,
        ),
        "trials": max(1, trials // methods) if within else trials,
        "within": within,
        "ratings": answers["ratings_per_item"],
        "effect": answers["effect"],
        "features": answers["features_wanted"],
        "comparisons": comparisons(answers),
    }


def question_of_pairs(answers: Answers) -> dict[str, Any]:
    """The same for a study of pairs: of its contrasts with the clip without steering, or of one
    contrast where there is none."""
    known = [contrasts.read(one) for one in answers["contrasts"]]
    plain = [one for one in known if not one.second.intervention]
    methods, within = max(1, len(answers["methods"])), answers["design"] == Study.Design.WITHIN
    listeners = max(2, participants(answers) // (1 if within else methods))
    count = max(1, len(plain))
    pairs_of_all = answers["features_wanted"] * answers["ratings_per_item"] * count
    return {
        "kind": Study.OptionPolicy.PAIR.value,
        "listeners": listeners,
        "features": answers["features_wanted"],
        "trials": max(1, round(pairs_of_all / listeners)),
        "contrasts": count,
        "share": answers["steered_share"] / 100,
        "ties": TIES if answers["may_choose_none"] else 0.0,
        "doses": sorted({one.first.strength for one in plain}) or [1.0],
        "comparisons": max(1, len({(one.first.role, one.second.role) for one in known})),
    }


def request(*, draft: StudyDraft, answers: Answers) -> Estimate:
    """The estimate for these answers, if there is one; otherwise a worker is asked for it."""
    kind = TRIAL_KINDS[answers["option_policy"]]
    if kind.picks_sound and not kind.steered:
        return Estimate(problem="the power of intruders is not estimated here")
    if len(answers["methods"]) < 2 and not kind.steered:
        return Estimate(problem="with one method there is nothing to compare")
    asked = question_of_pairs(answers) if kind.steered else question(answers)
    if asked.get("listeners", asked.get("participants")) * asked["trials"] > MOST_RATINGS:
        return Estimate(
            problem=f"more than {MOST_RATINGS} ratings per method are not simulated here"
        )
    known = draft.power if draft.power.get("asked") == asked else {}
    if "problem" in known:
        return Estimate(problem=known["problem"])
    newest = job_selectors.newest(kind=KIND, target=draft.pk)
    if "found" in known:
        searching = newest is not None and newest.state in Job.UNFINISHED
        moving = "needed" not in known and searching
        return Estimate(moving=moving, found=known["found"], needed=known.get("needed"))
    if known and newest is not None and newest.state == Job.State.FAILED:
        return Estimate(problem=newest.error)
    if not known:
        StudyDraft.objects.filter(pk=draft.pk).update(power={"asked": asked})
    jobs.enqueue(kind=KIND, target=draft.pk, queue=Job.Queue.CPU)
    return Estimate(moving=True)


def estimate(*, draft: StudyDraft, lease: jobs.JobLease) -> None:
    """In a worker: estimate the latest design, then seek what reaches the power `WANTED`.

    Each result is stored if the design is still the latest; the first can be read meanwhile.
    """
    asked = draft.power["asked"]
    said: dict[str, Any] = {}
    try:
        found = _of_plan(asked)
        said["found"] = dataclasses.asdict(found)
        if not _store(draft, lease, {"asked": asked, **said}):
            return
        needed = _of_search(asked)
        said["needed"] = dataclasses.asdict(needed)
    except results.ReportError as error:
        said = {"needed": {}} | said if said else {"problem": str(error)}
    _store(draft, lease, {"asked": asked, **said})


def _of_plan(asked: dict[str, Any]) -> results.PowerEstimate:
    if "kind" in asked:
        return results.estimate_pair_power(**_without(asked, "kind"), simulations=SIMULATIONS)
    return results.estimate_power(**_without(asked, "features"), simulations=SIMULATIONS)


def _of_search(asked: dict[str, Any]) -> results.Needed:
    how: dict[str, Any] = {"wanted": WANTED, "simulations": SEARCHING}
    if "kind" in asked:
        return results.listeners_needed(**_without(asked, "kind", "listeners"), **how)
    return results.participants_needed(**_without(asked, "participants"), **how)


def _without(asked: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in names}


def _store(draft: StudyDraft, lease: jobs.JobLease, said: dict[str, Any]) -> bool:
    """Whether the design was still the latest, so that what is said about it was stored."""
    with transaction.atomic():
        lease.lock()
        row = StudyDraft.objects.select_for_update().get(pk=draft.pk)
        if row.power.get("asked") != said["asked"]:
            return False
        StudyDraft.objects.filter(pk=draft.pk).update(power=said)
    return True
