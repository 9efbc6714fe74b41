"""The design: runs, methods, features, kind of trial, and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms

from studyapp.core.errors import RunError
from studyapp.runs.services import steered
from studyapp.studies import contrasts
from studyapp.studies.selectors.studies import dosed
from studyapp.wizard import selectors
from studyapp.wizard.forms.base import Group, StepForm, recruitment_field
from studyapp.wizard.services.answers import Answers

PAIR = (
    "Two generated sounds and the feature’s best label: which of the two has more of it? "
    "Chance level is 50 %"
)
PAIRS = (
    "What is set against what, if trials are pairs. Each is an item of its own for every feature; "
    "both sounds of a pair have the same seed."
)
SIDES = {"add": "steered", "prompt": "prompted with the label", "plain": "not steered"}


class SourcesForm(StepForm):
    """The runs and their SAEs."""

    step = "sources"
    title = "Runs and SAEs"
    intro = (
        "Features come from finished runs. If you combine runs, they must use the same labelling "
        "methods."
    )
    groups = (
        Group("Runs", ("runs",)),
        Group("SAEs", ("saes",), "Features are drawn from these."),
    )
    runs = forms.TypedMultipleChoiceField(coerce=int, widget=forms.CheckboxSelectMultiple)
    saes = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, data: Any = None, **given: Any) -> None:
        self.offered = given["runs"]
        super().__init__(data, **given)

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Tick every SAE if none was chosen."""
        chosen = selectors.runs_named(answers["runs"])
        self.known = selectors.saes_of(chosen)
        names = list(dict.fromkeys(sae.name for sae in self.known))
        return {"runs": answers["runs"], "saes": answers["saes"] or names}

    def arrange(self) -> None:
        """Offer the runs that may be used, and the SAEs of those that are chosen."""
        self.fields["runs"].choices = [(run.pk, run.name) for run in self.offered]  # type: ignore[attr-defined] # a choice field
        if self.data:
            # Only of offered runs: this user may not see the SAEs of any other.
            asked = set(self.asked_for("runs"))
            chosen = [run.pk for run in self.offered if str(run.pk) in asked]
            self.known = selectors.saes_of(selectors.runs_named(chosen))
        counts: dict[str, tuple[int, int]] = {}
        for sae in self.known:
            counts[sae.name] = (sae.layer, counts.get(sae.name, (0, 0))[1] + sae.features)
        self.fields["saes"].choices = [  # type: ignore[attr-defined] # a choice field
            (name, f"{name} · layer {layer} · {n} features") for name, (layer, n) in counts.items()
        ]
        self.names = list(counts)

    def asked_for(self, name: str) -> list[str]:
        """The raw values of a field, as the browser sent them."""
        return list(self.fields[name].widget.value_from_datadict(self.data, self.files, name) or ())

    def clean_runs(self) -> list[int]:
        """Read again what their steering made, which may be newer than the run."""
        given: list[int] = self.cleaned_data["runs"]
        try:
            for run in selectors.runs_named(given):
                steered.refresh(run)
        except RunError as error:
            raise forms.ValidationError(f"{error}.") from error
        return given

    def clean_saes(self) -> list[str]:
        """Return an empty list if all of them are chosen."""
        given = list(self.cleaned_data["saes"])
        return [] if set(given) == set(self.names) else given


class MethodsForm(StepForm):
    """The methods to compare."""

    step = "methods"
    title = "Methods and controls"
    intro = (
        "Each method is one condition. All methods use the same features and sounds; only the "
        "labels differ."
    )
    groups = (Group("Methods", ("methods",)),)
    methods = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    def arrange(self) -> None:
        """Offer the methods that every chosen run has."""
        found = selectors.methods_of(self.sources, self.answers["saes"])
        self.fields["methods"].choices = [(one.name, _of_method(one)) for one in found]  # type: ignore[attr-defined] # a choice field


class TrialsForm(StepForm):
    """What a trial asks, and which conditions a participant gets."""

    step = "trials"
    title = "Kind of trial"
    groups: tuple[Group, ...] = (
        Group("What a trial asks", ("option_policy",)),
        Group("Further answer", ("may_choose_none",)),
        Group("Conditions per participant", ("design",)),
        Group("Sounds and players", ("loudness_lufs", "show_waveform"), folded=True),
        Group(
            "Listening",
            ("hear_before_choosing", "most_plays", "from_start"),
            "The pages enforce this, and tell people before they begin. What the site then sees of "
            "the sounds is checked: too little listening refuses an answer, other breaches are "
            "flagged play_rules in the export.",
            folded=True,
        ),
    )
    option_policy = forms.ChoiceField(
        widget=forms.RadioSelect,
        choices=[
            (
                "candidates",
                "The method’s own five best labels: which is closest? (as in the paper)",
            ),
            (
                "identification",
                "The feature’s best label among four labels of other features: which is right? "
                "Chance level is 20 %",
            ),
            (
                "intruder",
                "Four sounds of the feature and one of another: which does not belong? No labels "
                "are shown, so there is one condition, whatever methods are chosen. Chance level "
                "is 20 %",
            ),
        ],
    )
    contrasts = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    design = forms.ChoiceField(
        widget=forms.RadioSelect,
        choices=[
            ("between", "One method per participant (as in the paper)"),
            ("within", "Every method for every participant, each feature once"),
        ],
    )

    def arrange(self) -> None:
        """Offer pairs, and their contrasts, if the runs have steered clips."""
        offered = contrasts.proposed(dosed(self.sources))
        offered += [one for one in self.answers["contrasts"] if one not in offered]
        if not offered:
            del self.fields["contrasts"]
            return
        policy = self.fields["option_policy"]
        policy.choices = [*policy.choices, ("pair", PAIR)]  # type: ignore[attr-defined] # a choice field
        self.fields["contrasts"].choices = [(one, in_words(one)) for one in offered]  # type: ignore[attr-defined] # a choice field
        self.initial["contrasts"] = self.answers["contrasts"] or offered
        pairs = Group("Pairs", ("contrasts",), PAIRS, when="pair")
        self.groups = (self.groups[0], pairs, *self.groups[1:])

    def plain(self) -> Answers:
        """Contrasts belong to pairs only."""
        data = dict(self.cleaned_data)
        if data["option_policy"] != "pair" or "contrasts" not in self.fields:
            data["contrasts"] = []
        return data


class SizeForm(StepForm):
    """How many participants, trials and ratings, and the power that follows."""

    step = "size"
    title = "Participants, trials, ratings"
    groups: tuple[Group, ...] = (
        Group("Size", ("trials_per_participation", "ratings_per_item")),
        Group(
            "Payment",
            ("payment", "currency"),
            "Per completed participation, shown on the consent page.",
        ),
        Group("Smallest effect of interest", ("effect",)),
        Group("Places", ("lease_minutes",), folded=True),
    )
    payment = recruitment_field("payment", min_value=0, label="Amount")
    currency = forms.RegexField(
        r"^[A-Z]{3}$", label="Currency", help_text="Three letters: EUR, GBP, USD."
    )
    effect = forms.FloatField(
        min_value=0.05, max_value=3, label="Difference in mean confidence, points of the scale",
        help_text="Used only for the power estimate.",
    )  # fmt: skip

    steered_share = forms.FloatField(
        min_value=51, max_value=95, label="Choices that are the steered sound, per cent",
        help_text="50 % if nobody hears a difference. Used only for the power estimate.",
    )  # fmt: skip

    def arrange(self) -> None:
        """The effect of interest is a share in pairs, and a difference in confidence elsewhere."""
        kept, left = "effect", "steered_share"
        if self.answers["option_policy"] == "pair":
            kept, left = left, kept
        del self.fields[left]
        self.groups = tuple(
            replace(group, fields=(kept,)) if group.fields == ("effect",) else group
            for group in self.groups
        )

    def plain(self) -> Answers:
        """The amount as text, to stay exact."""
        payment = self.cleaned_data["payment"]
        return dict(self.cleaned_data) | {"payment": None if payment is None else f"{payment:.2f}"}

    def clean_trials_per_participation(self) -> int:
        """Refuse more trials than features, since each trial needs a different one."""
        trials: int = self.cleaned_data["trials_per_participation"]
        features = self.answers["features_wanted"]
        if trials > features:
            raise forms.ValidationError(
                f"{trials} trials need {trials} features, but only {features} are drawn."
            )
        if self.answers["option_policy"] == "pair":
            seeds = selectors.steered_seeds(self.answers["runs"])
            if trials > seeds:
                raise forms.ValidationError(
                    f"{trials} pairs need as many seeds, since nobody may hear a sound twice, but "
                    f"the clips have {seeds}."
                )
        return trials


def in_words(contrast: str) -> str:
    """A contrast as the page says it."""
    sides = []
    for side in contrasts.read(contrast).sides:
        name = side.intervention or contrasts.PLAIN
        dose = f", α = {side.strength:g}" if side.intervention not in ("", contrasts.PROMPT) else ""
        sides.append(f"{SIDES.get(name, name)}{dose}")
    return " against ".join(sides)


def _of_method(method: selectors.Method) -> str:
    kind = " · control" if method.is_control else ""
    return f"{method.name}{kind} · {method.named} features with at least three labels"
