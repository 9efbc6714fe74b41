"""Studies made in steps: answers kept as they come, then a worker makes the draft of them.

An answer that was not given is the default, which follows from the answers before it: who is in a
hurry goes on throughout. The making itself is `studies.create_study`, as everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any

from django.db import transaction

from studyapp.core.errors import StudyError
from studyapp.jobs.services import jobs
from studyapp.models import Job, Run, Study, StudyPlan
from studyapp.models.steps import Step, all_steps
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services import entry
from studyapp.studies.selectors.studies import pools
from studyapp.studies.services import design, drawing, lifecycle
from studyapp.studies.services import settings as study_settings
from studyapp.studies.services.settings import Settings
from studyapp.wizard import selectors

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Answers = dict[str, Any]
STEPS = (
    "sources", "methods", "features", "trials", "size", "checks", "texts", "recruitment",
)  # fmt: skip
"""In their order; after them the review."""
VOID = {"runs": ("saes", "methods", "features_wanted", "comparisons"), "methods": ("comparisons",)}
"""Answer → those that a change of it makes void."""
KIND = "make_study"
"""Of the job that makes a plan's study, in `studyapp.jobs.tasks.WORK`."""
TITLE = "What do these sounds share?"
MOST_FEATURES = 100
"""Features that a study has unless somebody wants more."""
COUNTED_FEATURES = 20_000
"""Up to so many features a page counts those that are eligible; beyond, it gives an upper bound."""
ASKED_OF_PLAN = ("comparisons", "equivalence_bound", "text")
"""What the steps ask of the analysis plan."""
RECRUITMENT = ("entry", "service", "external_study", "payment")
"""Answers of which no column of the study is made, but its recruitment."""
TEST = "difference_mean_confidence"
"""The analysis's confirmatory test, unless the plan says otherwise."""
REPORT_SECONDS = 0.5


def begin(*, created_by: User | None, run: Run | None = None) -> StudyPlan:
    """A plan without answers, or with a run's as the first."""
    plan = StudyPlan.objects.create(created_by=created_by)
    if run is not None:
        return answer(plan=plan, step="", given={"runs": [run.pk]})
    return plan


def answer(*, plan: StudyPlan, step: str, given: Mapping[str, Any]) -> StudyPlan:
    """Keep the answers to a step (`step` is of `STEPS`, or empty). Plain values alone.

    Other runs make answers about SAEs, methods and features void, other methods those about pairs.
    """
    with transaction.atomic():
        row = StudyPlan.objects.select_for_update().get(pk=plan.pk)
        answers = dict(row.answers)
        for name, void in VOID.items():
            if name in given and given[name] != answers.get(name, given[name]):
                answers = {kept: answers[kept] for kept in answers if kept not in void}
        row.answers = answers | dict(given)
        row.step = step or row.step
        runs = selectors.runs_named(row.answers.get("runs", []))
        row.project = runs[0].project if runs else None
        row.save(update_fields=["answers", "step", "project", "changed_at"])
    plan.refresh_from_db()
    return plan


def discard(plan: StudyPlan) -> None:
    """Forget the plan; the study that was made of it stays."""
    plan.delete()


def copy_of(*, study: Study, created_by: User | None) -> StudyPlan:
    """The plan of a study: of a draft its own, of a frozen one a new plan for the next version."""
    known = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if known is not None:
        return known
    return StudyPlan.objects.create(
        answers=_answers_of(study),
        project=study.project,
        study=study if study.state == Study.State.DRAFT else None,
        step=STEPS[-1],
        created_by=created_by,
    )


def answered(plan: StudyPlan, *, with_eligible: bool = False) -> Answers:
    """Every answer, the default where none was given.

    `with_eligible` counts eligible features where the number wanted was not answered; else it is
    bounded by what the methods named.
    """
    given: Answers = plan.answers
    sources: Answers = {"runs": [], "saes": []} | given
    runs = selectors.runs_named(sources["runs"])
    methods = selectors.methods_of(runs, sources["saes"])
    answers: Answers = sources | {"methods": _default_methods(methods)} | given
    if "features_wanted" not in given:
        found = eligible(answers) if with_eligible else None
        bound = min((m.named for m in methods if m.name in answers["methods"]), default=0)
        answers["features_wanted"] = max(1, min(MOST_FEATURES, found.eligible if found else bound))
    return _defaults(answers) | answers


def _default_methods(methods: list[selectors.Method]) -> list[str]:
    """Those that named at least half as many features as the one that named most."""
    most = max((method.named for method in methods), default=0)
    return [method.name for method in methods if 2 * method.named >= most]


def _defaults(answers: Answers) -> Answers:
    """What follows from runs, methods and features."""
    trials = answers.get("trials_per_participation", min(10, answers["features_wanted"]))
    languages = answers.get("languages", ["en"])
    texts = {
        f"{name}_text": study_settings.default_text(languages, name)
        for name in ("consent", "instructions", "debrief")
    }
    return texts | {
        "seed": 1,
        "strata": ["sae"],
        "option_policy": Study.OptionPolicy.CANDIDATES.value,
        "design": Study.Design.BETWEEN.value,
        "trials_per_participation": trials,
        "ratings_per_item": 3,
        "lease_minutes": 90,
        "effect": 0.5,
        "steps": all_steps(),
        "headphone_check": Study.HeadphoneCheck.EITHER.value,
        "headphones_required": False,
        "practice_trials": 2,
        "catch_trials": min(1, trials),
        "repeat_trials": min(1, trials // 2),
        "fast_seconds": 2.0,
        "straight_line": 5,
        "exclusion_rules": {},
        "comparisons": pairs(answers["methods"]),
        "equivalence_bound": None,
        "plan_text": "",
        "plan_kept": {},
        "loudness_lufs": -23.0,
        "questions": {},
        "title": TITLE,
        "slug": answers.get("slug") or selectors.free_slug(),
        "languages": languages,
        "texts": {},
        "contact": "",
        "ethics_approval": "",
        "entry": "link",
        "service": "none",
        "external_study": "",
        "codes": {},
        "payment": None,
        "currency": "EUR",
    }


def pairs(methods: list[str]) -> list[list[str]]:
    """Every pair of them."""
    return [list(pair) for pair in combinations(sorted(methods), 2)]


@dataclass(frozen=True)
class Eligible:
    """How many features of the chosen SAEs a study could draw."""

    features: int
    eligible: int
    reasons: dict[str, int]


def eligible(answers: Answers) -> Eligible | None:
    """Counted as `studies.create_study` counts; None for a run of too many features to count."""
    runs = selectors.runs_named(answers["runs"])
    chosen = answers["saes"]
    saes = [sae for sae in selectors.saes_of(runs) if not chosen or sae.name in chosen]
    if sum(sae.features for sae in saes) > COUNTED_FEATURES:
        return None
    methods = answers["methods"]
    pool = pools(runs=runs, methods=methods, saes=chosen)
    reasons: dict[str, int] = {}
    good = 0
    for one in pool:
        found = drawing.reasons_against(one, methods)
        good += not found
        for reason in found:
            reasons[reason] = reasons.get(reason, 0) + 1
    return Eligible(len(pool), good, dict(sorted(reasons.items())))


def participants(answers: Answers) -> int:
    """Complete participations that the wished ratings need, of all conditions together."""
    per, ratings = answers["trials_per_participation"], answers["ratings_per_item"]
    conditions, features = max(1, len(answers["methods"])), answers["features_wanted"]
    if answers["design"] == Study.Design.WITHIN:
        return int(-(-conditions * features * ratings // per))
    return int(conditions * -(-features * ratings // per))


def settings_of(answers: Answers) -> Settings:
    """The answers as `studies.create_study` takes them."""
    steps = answers["steps"]
    has_check = Step.HEADPHONES in steps
    return Settings(
        slug=answers["slug"],
        title=answers["title"],
        seed=answers["seed"],
        saes=answers["saes"],
        strata=answers["strata"],
        option_policy=answers["option_policy"],
        design=answers["design"],
        features_wanted=answers["features_wanted"],
        ratings_per_item=answers["ratings_per_item"],
        trials_per_participation=answers["trials_per_participation"],
        lease_minutes=answers["lease_minutes"],
        loudness_lufs=answers["loudness_lufs"],
        questions=answers["questions"],
        steps=steps,
        headphone_check=answers["headphone_check"] if has_check else "none",
        headphones_required=answers["headphones_required"] and has_check,
        practice_trials=answers["practice_trials"],
        catch_trials=answers["catch_trials"],
        repeat_trials=answers["repeat_trials"],
        quality_rules={name: answers[name] for name in ("fast_seconds", "straight_line")},
        exclusion_rules=answers["exclusion_rules"],
        analysis_plan=_plan_of(answers),
        languages=answers["languages"],
        consent_text=answers["consent_text"],
        instructions_text=answers["instructions_text"],
        debrief_text=answers["debrief_text"],
        texts_by_language=answers["texts"],
        contact=answers["contact"],
        ethics_approval=answers["ethics_approval"],
        codes=answers["codes"],
    )


def _plan_of(answers: Answers) -> dict[str, Any]:
    """The analysis plan: what no step asks of it, and what the steps say."""
    plan: dict[str, Any] = dict(answers["plan_kept"])
    if answers["comparisons"] is not None and len(answers["methods"]) > 1:
        plan = {"confirmatory": [TEST]} | plan | {"comparisons": answers["comparisons"]}
    if answers["equivalence_bound"]:
        plan["equivalence_bound"] = answers["equivalence_bound"]
    if answers["plan_text"]:
        plan["text"] = answers["plan_text"]
    return plan


def problem(plan: StudyPlan, answers: Answers) -> str:
    """Why no study can be made of these answers, in one line; empty if one may be."""
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        return "no run is chosen"
    if plan.study is not None and plan.study.state != Study.State.DRAFT:
        return f"{plan.study} was made of this plan and is frozen: an edit needs a new version"
    try:
        settings = settings_of(answers)
        settings |= {"project": runs[0].project}
        study = study_settings.unsaved(**settings)
        lifecycle.check(study, runs, answers["methods"])
    except StudyError as error:
        return str(error)
    return ""


def request_study(*, plan: StudyPlan) -> Job:
    """Have a worker make the draft. Raises `StudyError` if none can be made."""
    found = problem(plan, answered(plan))
    if found:
        raise StudyError(found)
    StudyPlan.objects.filter(pk=plan.pk).update(done=0, total=0)
    return jobs.enqueue(kind=KIND, target=plan.pk, queue=Job.Queue.CPU)


def make(*, plan: StudyPlan, held: jobs.Held) -> Study:
    """Make the draft, in the place of the one that was made before. Raises `StudyError`."""
    answers = answered(plan, with_eligible=True)
    runs = selectors.runs_named(answers["runs"])
    if not runs:
        raise StudyError("no run is chosen")
    check, last = jobs.Checker(held), [0.0]

    def progress(done: int, total: int) -> None:
        check()
        if done == total or time.monotonic() - last[0] > REPORT_SECONDS:
            last[0] = time.monotonic()
            StudyPlan.objects.filter(pk=plan.pk).update(done=done, total=total)

    def within(study: Study) -> None:
        held.lock()
        _recruit(study, answers)
        # The defaults of this moment are kept (the slug is taken now), under what was said since.
        row = StudyPlan.objects.select_for_update().get(pk=plan.pk)
        StudyPlan.objects.filter(pk=plan.pk).update(study=study, answers=answers | row.answers)

    settings = settings_of(answers)
    settings |= {"project": runs[0].project, "created_by": plan.created_by}
    return lifecycle.create_study(
        run=runs[0],
        more_runs=runs[1:],
        methods=answers["methods"],
        replaces=plan.study,
        within=within,
        progress=progress,
        **settings,
    )


def is_behind(study: Study) -> bool:
    """Whether the answers were changed since this draft was made of them."""
    plan = selectors.of_study(study) if study.state == Study.State.DRAFT else None
    if plan is None:
        return False
    answers = answered(plan)
    new = study_settings.unsaved(**settings_of(answers))
    made = {*design.HASHED, *design.HASHED_IF_SET} - {"version", "left_out", "check_sounds"}
    if any(getattr(new, name) != getattr(study, name) for name in made):
        return True
    own = _answers_of(study)
    return any(own[name] != answers[name] for name in ("runs", "methods", *RECRUITMENT))


def _recruit(study: Study, answers: Answers) -> None:
    payment = answers["payment"]
    entry.configure(
        study=study,
        entry=answers["entry"],
        service=answers["service"],
        external_study=answers["external_study"],
        payment=None if payment is None else Decimal(payment),
        currency=answers["currency"],
    )


def _answers_of(study: Study) -> Answers:
    """A study's row as the answers that would make it."""
    plain = (
        "slug", "title", "seed", "saes", "strata", "option_policy", "design", "features_wanted",
        "ratings_per_item", "trials_per_participation", "lease_minutes", "steps",
        "headphone_check", "headphones_required", "practice_trials", "catch_trials",
        "repeat_trials", "exclusion_rules", "languages", "texts", "consent_text",
        "instructions_text", "debrief_text", "contact", "ethics_approval", "codes",
        "loudness_lufs", "questions",
    )  # fmt: skip
    answers: Answers = {name: getattr(study, name) for name in plain}
    answers |= {name: study.quality_rules[name] for name in ("fast_seconds", "straight_line")}
    answers["runs"] = list(study.runs.order_by("pk").values_list("pk", flat=True))
    answers["methods"] = list(study.conditions.order_by("method").values_list("method", flat=True))
    plan = study.analysis_plan
    answers |= {
        "comparisons": plan.get("comparisons"),
        "equivalence_bound": plan.get("equivalence_bound"),
        "plan_text": plan.get("text", ""),
        "plan_kept": {name: plan[name] for name in plan if name not in ASKED_OF_PLAN},
    }
    row = recruitment_selectors.of_study(study)
    payment = None if row.payment is None else f"{row.payment:.2f}"
    return answers | {
        "entry": row.entry, "service": row.service, "external_study": row.external_study,
        "payment": payment, "currency": row.currency or "EUR",
    }  # fmt: skip
