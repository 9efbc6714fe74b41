"""The answers in words, step by step."""

from __future__ import annotations

from django.conf import settings

from studyapp.models import Recruitment, Run, Study
from studyapp.models.steps import Step
from studyapp.studies import listening
from studyapp.studies.services.protocol import FACTS
from studyapp.studies.settings import setting
from studyapp.wizard.forms.checks import STEP_NAMES
from studyapp.wizard.services.answers import Answers, participants

RULES = ("hear_before_choosing", "most_plays", "from_start")
Facts = list[tuple[str, str]]


def of(answers: Answers, runs: list[Run]) -> dict[str, Facts]:
    """Step → names and values."""
    return {
        "sources": [
            ("Runs", ", ".join(run.name for run in runs) or "none"),
            ("SAEs", ", ".join(answers["saes"]) or "all of them"),
        ],
        "methods": [("Methods", ", ".join(answers["methods"]) or "none")],
        "features": [
            ("Features", str(answers["features_wanted"])),
            ("Chosen", _chosen(answers)),
            ("Seed", str(answers["seed"])),
        ],
        "trials": [
            ("Kind of trial", Study.OptionPolicy(answers["option_policy"]).label),
            *([("Pairs", ", ".join(answers["contrasts"]))] if answers["contrasts"] else []),
            ("Further answer", "offered" if answers["may_choose_none"] else "not offered"),
            ("Design", Study.Design(answers["design"]).label),
            ("Loudness", f"{answers['loudness_lufs']:g} LUFS"),
            ("Outline of each sound", "drawn" if answers["show_waveform"] else "not drawn"),
            ("Listening", listening.in_words(**{name: answers[name] for name in RULES})),
        ],
        "size": [
            ("Participants needed", str(participants(answers))),
            ("Trials per participant", str(answers["trials_per_participation"])),
            ("Ratings per item", str(answers["ratings_per_item"])),
            ("Payment", _paid(answers)),
            (setting("lease_minutes").label, str(answers["lease_minutes"])),
        ],
        "checks": _checks(answers),
        "texts": [
            ("Title", answers["title"]),
            ("Link", f"/s/{answers['slug']}/"),
            ("Languages", _languages(answers["languages"])),
            ("Contact", answers["contact"] or "none"),
            *((setting(name).label, answers[name] or "not stated") for name in FACTS),
            ("Musical training", _training(answers)),
            ("Own questions", str(len(answers["own_questions"]) or "none")),
        ],
        "recruitment": _recruitment(answers),
    }


def _chosen(answers: Answers) -> str:
    """How the features are chosen."""
    selection = Study.Selection(answers["selection"])
    if selection == Study.Selection.BEST:
        return f"the best by {answers['best_by'].replace(':', ' of ')}"
    if selection == Study.Selection.LIST:
        return f"from the list {answers['list_name']}" if answers["list_name"] else "from a list"
    strata = ", ".join(answers["strata"]).replace("sae", "SAE")
    return f"at random, {'stratified by ' + strata if strata else 'not stratified'}"


def _training(answers: Answers) -> str:
    """How musical training is asked."""
    if Step.QUESTIONNAIRE not in answers["steps"]:
        return "not asked"
    return (
        "Gold-MSI"
        if answers["questions"].get("musical_training") == "gold-msi"
        else "built-in questions"
    )


def _checks(answers: Answers) -> Facts:
    steps = [name for step, name in STEP_NAMES.items() if step in answers["steps"]]
    rules = [f"{name} {value}" for name, value in answers["exclusion_rules"].items()]
    given = answers["comparisons"]
    practice = Step.PRACTICE in answers["steps"]
    pairs = ["every pair"] if given is None else [f"{a} against {b}" for a, b in given]
    return [
        ("Steps", ", ".join(steps) or "only those in the paper"),
        ("Headphone check", _headphones(answers)),
        ("Practice trials", str(answers["practice_trials"] if practice else 0)),
        ("Catch trials, repeats", f"{answers['catch_trials']}, {answers['repeat_trials']}"),
        ("Programs among the listeners",
         "looked for" if answers["watch_machines"] else "not looked for"),
        ("Exclusion rules", ", ".join(rules) or "none"),
        ("Confirmatory", ", ".join(pairs) or "none"),
    ]  # fmt: skip


def _headphones(answers: Answers) -> str:
    if Step.HEADPHONES not in answers["steps"]:
        return "none"
    required = answers["headphones_required"]
    check = Study.HeadphoneCheck(answers["headphone_check"]).label
    return f"{check}; those who fail {'are screened out' if required else 'continue'}"


def _paid(answers: Answers) -> str:
    payment = answers["payment"]
    return "not stated" if payment is None else f"{payment} {answers['currency']}"


def _recruitment(answers: Answers) -> Facts:
    return [
        ("Entry", Recruitment.Entry(answers["entry"]).label),
        ("Service", _service(answers)),
        ("Cannot begin", _kept_out(answers)),
    ]


def _languages(codes: list[str]) -> str:
    names = dict(settings.LANGUAGES)
    return ", ".join(names[code] for code in codes)


def _service(answers: Answers) -> str:
    """The recruiting service; another one with its name, parameters and way back."""
    label = Recruitment.Service(answers["service"]).label
    if answers["service"] != Recruitment.Service.OTHER:
        return str(label)
    names = ("service_name", "person_parameter", "session_parameter", "return_address")
    return ", ".join(answers[name] for name in names if answers[name]) or str(label)


def _kept_out(answers: Answers) -> str:
    """Who cannot begin, by numbers of studies and lists."""
    counts = {"other studies": answers["excluded"], "lists": answers["excluded_lists"]}
    return ", ".join(f"people of {len(n)} {what}" for what, n in counts.items() if n) or "–"
