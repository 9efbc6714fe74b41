"""Which features a study gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from studyapp.models import FeatureList, Run, Study
from studyapp.models.runs import is_control
from studyapp.studies.selectors import feature_lists, scores
from studyapp.studies.settings import setting
from studyapp.wizard.forms.base import Group, StepForm, field_of
from studyapp.wizard.services import answers as services
from studyapp.wizard.services.answers import Answers

Selection = Study.Selection
KEPT = "kept"
"""The choice of the listed features that the draft has, whatever became of their list."""
CHOICES = {
    Selection.RANDOM: "Drawn at random, so that results hold for all features that can be drawn",
    Selection.BEST: "The best by a score: results hold for these features only",
    Selection.LIST: "Those of a list made in the feature browser: results hold for these only",
}


class FeaturesForm(StepForm):
    """How features are chosen, and how many."""

    step = "features"
    title = "Features"
    intro = "Only features for which every method gave at least three labels can be in the study."
    selection = forms.ChoiceField(widget=forms.RadioSelect)
    best_by = forms.ChoiceField(
        required=False, label="Score",
        help_text="The score of a feature’s first label. Controls never count.",
    )  # fmt: skip
    feature_list = forms.ChoiceField(required=False, label="List")
    strata = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[("sae", "SAE"), ("layer", "Layer"), ("rate", "Rate, in thirds"),
                 ("score", "Score, in thirds")],
    )  # fmt: skip
    seed = field_of(setting("seed"), max_value=2**31 - 1)

    def shown(self, answers: Answers) -> dict[str, Any]:
        """The listed features that the draft has, if any, as the chosen list."""
        return dict(answers) | {"feature_list": KEPT if answers["listed"] else ""}

    def arrange(self) -> None:
        """Offer what the runs have, and count the features that can be in the study."""
        self.lists = {str(one.pk): one for one in feature_lists.of_runs(self.sources)}
        by, lists = _scores_of(self.sources), self._offered_lists()
        for name, choices in (("best_by", by), ("feature_list", lists)):
            if choices:
                self.fields[name].choices = choices  # type: ignore[attr-defined] # a choice field
            else:
                del self.fields[name]
        missing = {Selection.BEST: not by, Selection.LIST: not lists}
        self.fields["selection"].choices = [  # type: ignore[attr-defined] # a choice field
            (value.value, text) for value, text in CHOICES.items() if not missing.get(value)
        ]
        self.groups = _groups(bool(by), bool(lists))
        self.eligible = services.eligible(self.answers)
        if self.eligible and "features_wanted" not in self.draft.answers:
            most = services.default_features(self.answers, self.eligible.eligible)
            self.initial["features_wanted"] = most

    def clean(self) -> dict[str, Any]:
        """Refuse more features than there are; of a list, take all that can be in the study."""
        data = super().clean()
        if self.errors:
            return data
        data |= self._choice(data)
        if any(data[name] != self.answers[name] for name in services.CHOICE):
            self.eligible = services.eligible(self.answers | data)
        if self.eligible is None:
            return data
        if data["selection"] == Selection.LIST:
            data["features_wanted"] = self.eligible.eligible
        if not 1 <= data["features_wanted"] <= self.eligible.eligible:
            self.add_error("features_wanted", _too_many(data, self.eligible.eligible))
        return data

    def plain(self) -> Answers:
        """The list as its features; what the selection does not use is emptied."""
        data = dict(self.cleaned_data)
        data.pop("feature_list", None)
        return data

    def _choice(self, data: dict[str, Any]) -> Answers:
        """The answers that say which features are chosen."""
        selection, named = data["selection"], data.get("feature_list", "")
        found: Answers = {"best_by": "", "listed": [], "list_name": ""}
        if selection == Selection.BEST:
            found["best_by"] = data["best_by"]
        elif selection == Selection.LIST and named in self.lists:
            row = self.lists[named]
            found |= {"listed": feature_lists.listed(row), "list_name": row.name}
        elif selection == Selection.LIST:
            found |= {name: self.answers[name] for name in ("listed", "list_name")}
        return found

    def _offered_lists(self) -> list[tuple[str, str]]:
        several = len(self.sources) > 1
        offered = [(pk, _of_list(one, several)) for pk, one in self.lists.items() if one.members]
        if listed := self.answers["listed"]:
            name = self.answers["list_name"] or "a list"
            offered.insert(0, (KEPT, f"{name}, as it was · {len(listed)} features"))
        return offered


def _too_many(data: Answers, found: int) -> str:
    if data["selection"] == Selection.LIST:
        return "None of the list’s features can be drawn."
    return f"{data['features_wanted']} is more than the {found} features that can be drawn."


def _groups(has_scores: bool, has_lists: bool) -> tuple[Group, ...]:
    """The groups; what the runs have nothing for is left out."""
    make = "" if has_lists else "To choose by ear, make a list of features in the feature browser."
    found = [Group("Which features", ("selection",), hint=make)]
    if has_scores:
        found.append(Group("The best by", ("best_by",), when="best"))
    if has_lists:
        found.append(Group("List", ("feature_list",), when="list",
                           hint="All of its features that can be in the study."))  # fmt: skip
    return (
        *found,
        Group("How many", ("features_wanted",), when="random best"),
        Group(
            "Stratified by", ("strata",),
            "Features are drawn from each stratum in proportion to its size.", when="random",
        ),
        Group("Seed", ("seed",), folded=True),
    )  # fmt: skip


def _scores_of(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """`best_by` and its words, for every scorer and every method that is no control."""
    known = [set(run.facets.get("methods", [])) for run in runs]
    methods = sorted(set.intersection(*known)) if known else []
    methods = [method for method in methods if not is_control(method)]
    found: list[tuple[str, str]] = []
    for scorer in scores.scorers_of(runs):
        found.append((scorer, f"{scorer}, the best of the methods"))
        found += [(f"{scorer}:{method}", f"{scorer} of {method}") for method in methods]
    return found


def _of_list(row: FeatureList, several: bool) -> str:
    of_run = f" of {row.run}" if several else ""
    return f"{row.name}{of_run} · {len(row.members)} features"
