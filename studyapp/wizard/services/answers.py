"""The answers of a study in the making: their defaults, and the settings that follow from them.

An answer that was not given is the default, which follows from the earlier answers, so any step can
be left as it is. Answers have the names of the settings, apart from those that a step asks for in
pieces, and those that are not settings: runs, methods, the effect of interest, recruitment.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

from studyapp import texts
from studyapp.models import Recruitment, Study, StudyDraft
from studyapp.models.steps import Step
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.recruitment import selectors as recruitment_selectors
from studyapp.recruitment.services.configuration import OtherService
from studyapp.studies import contrasts
from studyapp.studies.selectors.studies import dosed, pools
from studyapp.studies.services import frames, selection
from studyapp.studies.services.protocol import default_text
from studyapp.studies.services.quality_rules import RULES
from studyapp.studies.settings import carried_over, setting
from studyapp.wizard import selectors

Answers = dict[str, Any]
STEPS = (
    "sources", "methods", "trials", "features", "size", "checks", "texts", "recruitment",
)  # fmt: skip
"""The steps in order; the review comes after them."""
IN_PIECES = frozenset({"quality_rules", "analysis_plan"})
"""Settings that the steps ask for in pieces."""
ASKED_OF_PLAN = ("comparisons", "equivalence_bound", "text")
"""The parts of the analysis plan that a step asks for."""
OTHER = tuple(field.name for field in fields(OtherService))
"""Answers that say how another service than Prolific is reached."""
KEPT = (*OTHER, "excluded", "excluded_lists")
"""Answers whose default, None, leaves what the version before has."""
RECRUITMENT = ("entry", "service", "external_study", "payment", "currency", *KEPT)
"""Answers that become the study's recruitment, not a setting."""
CHOICE = ("selection", "best_by", "listed")
"""Answers that say which features are chosen."""
TRIALS = ("option_policy", "contrasts")
"""Answers that say what a trial is."""
CURRENCY = "EUR"
LOOKS = [0.33, 0.67, 1]
"""Shares of the planned participants after which results are looked at, if the plan has looks."""
TEST = "difference_mean_confidence"
"""The analysis's confirmatory test, unless the plan says otherwise."""
COUNTED_FEATURES = 20_000
"""A page counts the eligible ones of up to this many features; beyond that it gives a bound."""


def answered(draft: StudyDraft, *, with_eligible: bool = False) -> Answers:
    """Every answer, the default where none was given.

    If no number of features was given, `with_eligible` counts the eligible ones; otherwise the
    default is bounded by the features that the methods labelled.
    """
    given: Answers = draft.answers
    sources: Answers = {"runs": [], "saes": []} | given
    runs = selectors.runs_named(sources["runs"])
    methods = selectors.methods_of(runs, sources["saes"])
    answers: Answers = sources | {"methods": _default_methods(methods)} | given
    if answers.get("selection") == Study.Selection.BEST and not answers.get("best_by"):
        answers["best_by"] = selection.default_best_by(runs)
    if answers.get("option_policy") == Study.OptionPolicy.PAIR and not answers.get("contrasts"):
        answers["contrasts"] = contrasts.proposed(dosed(runs))
    if "features_wanted" not in given:
        found = eligible(answers) if with_eligible else None
        bound = min((m.named for m in methods if m.name in answers["methods"]), default=0)
        answers["features_wanted"] = default_features(answers, found.eligible if found else bound)
    return _defaults(answers) | answers


def default_features(answers: Answers, available: int) -> int:
    """How many features there are by default if this many are available: of a list, all."""
    usual: int = setting("features_wanted").default
    if answers.get("selection") == Study.Selection.LIST:
        usual = len(answers["listed"])
    return max(1, min(usual, available))


def _default_methods(methods: list[selectors.Method]) -> list[str]:
    """Those that labelled at least half as many features as the method that labelled most."""
    most = max((method.named for method in methods), default=0)
    return [method.name for method in methods if 2 * method.named >= most]


def _defaults(answers: Answers) -> Answers:
    """The defaults of the table, then what follows from runs, methods and features."""
    table = {one.name: one.default for one in carried_over() if one.name not in IN_PIECES}
    kind = TRIAL_KINDS[answers.get("option_policy") or table["option_policy"]]
    most = [table["trials_per_participation"], answers["features_wanted"]]
    if kind.steered:
        most.append(max(1, selectors.steered_seeds(answers["runs"])))
    trials = answers.get("trials_per_participation", min(most))
    languages = answers.get("languages", table["languages"])
    own = {f"{name}_text": default_text(languages, name, kind.trial_type) for name in texts.NAMES}
    return table | own | {
        "slug": answers.get("slug") or selectors.free_slug(),
        # Here the defaults differ from those of `create_study`: agreement can be estimated.
        "seed": 1,
        "trials_per_participation": trials,
        "ratings_per_item": 3,
        "catch_trials": min(1, trials),
        "repeat_trials": min(1, trials // 2),
        "effect": 0.5,
        "steered_share": 60.0,
        **setting("quality_rules").default,
        "comparisons": pairs(answers["methods"]),
        "equivalence_bound": None,
        "plan_text": "",
        "looks": "",
        "plan_kept": {},
        "entry": Recruitment.Entry.LINK.value,
        "service": Recruitment.Service.NONE.value,
        "external_study": "",
        "payment": None,
        "currency": CURRENCY,
        **dict.fromkeys(KEPT),
    }  # fmt: skip


def pairs(methods: list[str]) -> list[list[str]]:
    """Every pair of methods."""
    return [list(pair) for pair in combinations(sorted(methods), 2)]


@dataclass(frozen=True)
class Eligible:
    """How many features of the chosen SAEs a study could draw."""

    features: int
    eligible: int
    reasons: dict[str, int]


def eligible(answers: Answers) -> Eligible | None:
    """Counted as `create_study` counts; None if a run has too many features to count."""
    runs = selectors.runs_named(answers["runs"])
    chosen = answers["saes"]
    saes = [sae for sae in selectors.saes_of(runs) if not chosen or sae.name in chosen]
    if sum(sae.features for sae in saes) > COUNTED_FEATURES:
        return None
    methods = answers["methods"]
    asked = {name: answers[name] for name in (*CHOICE, *TRIALS) if answers.get(name)}
    study = Study(**asked)
    pool = pools(runs=runs, methods=methods, saes=chosen, steered=study.kind.steered)
    found = selection.left_out(study, pool, methods)
    return Eligible(found["features"], found["eligible"], found["reasons"])


def participants(answers: Answers) -> int:
    """Complete participations needed for the requested ratings, over all conditions."""
    kind = TRIAL_KINDS[answers["option_policy"]]
    return frames.participations(
        features=answers["features_wanted"],
        ratings=answers["ratings_per_item"],
        trials=answers["trials_per_participation"],
        conditions=max(1, len(answers["methods"])) if kind.has_labels else 1,
        within=answers["design"] == Study.Design.WITHIN,
        variants=max(1, len(answers["contrasts"])),
        most_alike=_most_alike(answers),
    )


def _most_alike(answers: Answers) -> int:
    """Of pairs: how many features will share a seed, spread evenly."""
    if not TRIAL_KINDS[answers["option_policy"]].steered:
        return 1
    seeds = max(1, selectors.steered_seeds(answers["runs"]))
    return -(-int(answers["features_wanted"]) // seeds)


def settings_of(answers: Answers) -> dict[str, Any]:
    """The answers as `create_study` takes them."""
    given = {one.name: answers[one.name] for one in carried_over() if one.name not in IN_PIECES}
    given["quality_rules"] = {rule: answers[rule] for rule in RULES}
    given["analysis_plan"] = _plan_of(answers)
    if Step.HEADPHONES not in answers["steps"]:
        given |= {"headphone_check": "none", "headphones_required": False}
    return given


def answers_of(study: Study) -> Answers:
    """The answers that would make this study."""
    whole = [one for one in carried_over() if one.name not in IN_PIECES]
    answers: Answers = {one.name: one.value_of(study) for one in whole} | study.quality_rules
    answers["runs"] = list(study.runs.order_by("pk").values_list("pk", flat=True))
    if study.kind.has_labels:
        named = study.conditions.order_by("method").values_list("method", flat=True)
        answers["methods"] = list(named)
    plan = study.analysis_plan
    asked = (*ASKED_OF_PLAN, "looks") if _spending(plan) else ASKED_OF_PLAN
    answers |= {
        "comparisons": plan.get("comparisons"),
        "equivalence_bound": plan.get("equivalence_bound"),
        "plan_text": plan.get("text", ""),
        "looks": _spending(plan),
        "plan_kept": {name: plan[name] for name in plan if name not in asked},
    }
    row = recruitment_selectors.of_study(study)
    payment = None if row.payment is None else f"{row.payment:.2f}"
    return answers | {
        "entry": row.entry, "service": row.service, "external_study": row.external_study,
        "payment": payment, "currency": row.currency or CURRENCY,
        **asdict(OtherService.of(row)),
        "excluded": _keys(row.excluded) if row.pk else [],
        "excluded_lists": _keys(row.excluded_lists) if row.pk else [],
    }  # fmt: skip


def _keys(rows: Any) -> list[str]:
    return [str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)]


def _spending(plan: dict[str, Any]) -> str:
    """The spending function of looks as the step asks for them; looks of other kinds are kept."""
    looks = plan.get("looks")
    spending = looks.get("spending", "") if isinstance(looks, dict) else ""
    return str(spending) if looks == {"fractions": LOOKS, "spending": spending} else ""


def _plan_of(answers: Answers) -> dict[str, Any]:
    """The analysis plan: the parts that no step asks for, and the answers to the others."""
    plan: dict[str, Any] = dict(answers["plan_kept"])
    labels = not TRIAL_KINDS[answers["option_policy"]].picks_sound
    if labels and answers["comparisons"] is not None and len(answers["methods"]) > 1:
        plan = {"confirmatory": [TEST]} | plan | {"comparisons": answers["comparisons"]}
    if answers["equivalence_bound"]:
        plan["equivalence_bound"] = answers["equivalence_bound"]
    if answers.get("looks"):
        plan["looks"] = {"fractions": LOOKS, "spending": answers["looks"]}
    if answers["plan_text"]:
        plan["text"] = answers["plan_text"]
    return plan
