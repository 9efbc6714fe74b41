"""Checks, flags, exclusion rules and the analysis plan."""

from __future__ import annotations

from typing import Any

from django import forms

from studyapp.models import Study
from studyapp.models.participation import CONFIDENCE
from studyapp.models.steps import NEEDED, STEPS, Step
from studyapp.studies.services.quality_rules import RULES
from studyapp.studies.services.synthetic_items import CATCHES, MOST_PRACTICE_TRIALS
from studyapp.studies.settings import setting
from studyapp.wizard.forms.base import Group, StepForm, field_of
from studyapp.wizard.services import answers as services
from studyapp.wizard.services.answers import Answers

WIDEST = CONFIDENCE[0][0] - CONFIDENCE[-1][0]
"""The largest possible difference between two answers, in points of the scale."""
OPTIONAL = [step for step in STEPS if step not in (*NEEDED, Step.HEARING)]
STEP_NAMES = {
    Step.DEVICE: "Device check", Step.VOLUME: "Volume check", Step.HEADPHONES: "Headphone check",
    Step.PRACTICE: "Example and practice", Step.QUESTIONNAIRE: "Questionnaire at the end",
}  # fmt: skip
FAST, LINE = RULES["fast_seconds"], RULES["straight_line"]
LIMITS = ("max_failed_catch", "min_median_response_ms", "max_share_under_clip_length")
"""Exclusion rules with a number; a test compares them with those of the analysis."""
SWITCHES = ("same_confidence", "same_position", "inconsistent")
"""Exclusion rules that are on or off."""


class ChecksForm(StepForm):
    """Quality checks and rules, fixed before there are data."""

    step = "checks"
    checks_all = True

    title = "Checks and rules"
    intro = (
        "Flags are for information only. Exclusion rules must be set here, before data collection."
    )
    groups = (
        Group("Optional steps", ("steps",)),
        Group("Headphones and practice",
              ("headphone_check", "headphones_required", "practice_trials")),
        Group("Additional trials", ("catch_trials", "repeat_trials")),
        Group("Programs among the listeners", ("watch_machines",), folded=True),
        Group("Flags", ("fast_seconds", "straight_line"), folded=True),
        Group("Exclusion rules", (*LIMITS, "switches"), "Leave empty for none.", folded=True),
        Group("Analysis plan", ("comparisons", "equivalence_bound", "looks", "plan_text"),
              folded=True),
    )  # fmt: skip
    steps = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(step.value, STEP_NAMES[step]) for step in OPTIONAL],
    )
    headphone_check = forms.ChoiceField(
        choices=[one for one in Study.HeadphoneCheck.choices if one[0] != "none"],
        label=setting("headphone_check").label,
    )
    practice_trials = field_of(
        setting("practice_trials"), min_value=1, max_value=MOST_PRACTICE_TRIALS
    )
    catch_trials = field_of(setting("catch_trials"), max_value=len(CATCHES))
    fast_seconds = forms.FloatField(
        min_value=FAST[0], max_value=FAST[1],
        label="Flag answers given within … seconds after the sounds end",
    )  # fmt: skip
    straight_line = forms.IntegerField(
        min_value=LINE[0], max_value=LINE[1],
        label="Minimum number of identical answers to flag straight-lining",
    )  # fmt: skip
    max_failed_catch = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=len(CATCHES),
        label="Exclude participants who fail more than … catch trials",
    )
    min_median_response_ms = forms.IntegerField(
        required=False,
        min_value=1,
        label="Exclude participants whose median answer takes less than … ms",
    )
    max_share_under_clip_length = forms.FloatField(
        required=False, min_value=0, max_value=1,
        label="Exclude participants who give more than this share (0 to 1) of their answers in "
        "less time than the sounds last",
    )  # fmt: skip
    switches = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Exclude participants who",
        choices=[("same_confidence", "give the same confidence throughout"),
                 ("same_position", "choose the same position throughout"),
                 ("inconsistent", "choose a different label in every repeat")],
    )  # fmt: skip
    comparisons = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Confirmatory comparisons of mean confidence (Holm-corrected)",
    )
    equivalence_bound = forms.FloatField(
        required=False,
        min_value=0.01,
        max_value=WIDEST,
        label="Equivalence bound, points of the scale",
    )
    looks = forms.ChoiceField(
        required=False,
        label="Looks at the results before the study ends",
        choices=[("", "None"),
                 ("obrien-fleming", "At 33 and 67 %, strict early on"),
                 ("pocock", "At 33 and 67 %, alike each time")],
        help_text="In per cent of the planned participants; O’Brien–Fleming or Pocock type. While "
        "the study runs, a report made at another time is not confirmatory.",
    )  # fmt: skip
    plan_text = forms.CharField(
        required=False, max_length=10_000, label="Analysis plan in words",
        widget=forms.Textarea(attrs={"rows": 4}),
    )  # fmt: skip

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Rules and pairs as the fields show them."""
        rules = answers["exclusion_rules"]
        given = answers["comparisons"]
        pairs = [
            "|".join(p) for p in (services.pairs(answers["methods"]) if given is None else given)
        ]
        switches = [name for name in SWITCHES if rules.get(name)]
        check = answers["headphone_check"]
        return dict(answers) | {name: rules.get(name) for name in LIMITS} | {
            "steps": [step for step in answers["steps"] if step in OPTIONAL],
            "switches": switches, "comparisons": pairs,
            "headphone_check": "either" if check == "none" else check,
        }  # fmt: skip

    def arrange(self) -> None:
        """The pairs of the chosen methods, and those already in the analysis plan."""
        known = services.pairs(self.answers["methods"])
        known += [pair for pair in self.answers["comparisons"] or () if pair not in known]
        self.fields["comparisons"].choices = [  # type: ignore[attr-defined] # a choice field
            ("|".join(pair), f"{pair[0]} against {pair[1]}") for pair in known
        ]

    def plain(self) -> Answers:
        """Steps in their order, rules as one mapping, pairs as pairs."""
        data = dict(self.cleaned_data)
        rules: dict[str, Any] = {name: data.pop(name) for name in LIMITS}
        rules |= dict.fromkeys(data.pop("switches"), True)
        wanted = {*NEEDED, *data["steps"]}
        return data | {
            "steps": [step.value for step in STEPS if step in wanted],
            "exclusion_rules": {name: value for name, value in rules.items() if value is not None},
            "comparisons": [pair.split("|") for pair in data["comparisons"]],
        }
