"""The design: runs, methods, features, kind of trial, and numbers."""

from __future__ import annotations

from typing import Any

from django import forms

from studyapp.wizard import selectors
from studyapp.wizard.forms.base import Group, StepForm, recruitment_field
from studyapp.wizard.services.answers import Answers


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
    groups = (
        Group("Five labels to choose from", ("option_policy",)),
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
        ],
    )
    design = forms.ChoiceField(
        widget=forms.RadioSelect,
        choices=[
            ("between", "One method per participant (as in the paper)"),
            ("within", "Every method for every participant, each feature once"),
        ],
    )


class SizeForm(StepForm):
    """How many participants, trials and ratings, and the power that follows."""

    step = "size"
    title = "Participants, trials, ratings"
    groups = (
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
        return trials


def _of_method(method: selectors.Method) -> str:
    kind = " · control" if method.is_control else ""
    return f"{method.name}{kind} · {method.named} features with at least three labels"
