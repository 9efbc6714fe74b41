"""How participants are recruited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms

from studyapp.models import Participation, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services.configuration import ENDINGS, missing_codes
from studyapp.wizard.forms.base import Group, StepForm, recruitment_field
from studyapp.wizard.services.answers import OTHER, Answers

BY_ADDRESSES = "Another service, by its addresses"
CODES = "Completion codes"
EXCLUDED = "Whoever took part in these studies cannot begin"
EXCLUDED_LISTS = "Nobody on these lists can begin"
OTHER_LABELS = {
    "service_name": "Another service’s name, as participants know it",
    "person_parameter": "Parameter of its link that identifies a person",
    "session_parameter": "Parameter that identifies a submission, if there is one",
    "return_address": "Where it takes people back",
}
OTHER_HELP = {
    "person_parameter": "For SONA, survey_code; for CloudResearch, participantId; for Mechanical "
    "Turk, workerId, with assignmentId below, and this study’s link with mturk at its end as the "
    "external question. Only a keyed hash of its value is stored, so that each person can take "
    "part only once.",
    "return_address": "{code} stands for the completion code, {ending} for the kind of end "
    "(complete, screened_out, no_consent …), {person} and {session} for what the link had, such as "
    "https://….sona-systems.com/webstudy_credit.aspx?experiment_id=1&credit_token=…"
    "&survey_code={person}",
}


class RecruitmentForm(StepForm):
    """How participants are recruited."""

    step = "recruitment"
    checks_all = True

    title = "Recruitment"
    groups: tuple[Group, ...] = (
        Group("Who may enter", ("entry",)),
        Group("Recruiting service", ("service", "external_study")),
        Group(BY_ADDRESSES, OTHER,
              "SONA, Mechanical Turk, CloudResearch, a page of a course: with the parameters of "
              "their link, and the address that takes people back.", folded=True,
              opened_by="service=other"),
        Group("Who cannot begin", ("excluded", "excluded_lists"),
              "As far as the services know people by the same identifiers. Lists are made on a "
              "study’s page Recruitment.", folded=True),
        Group(CODES, tuple(f"code_{e}" for e in ENDINGS),
              "Prolific needs a code for every way in which your study can end. Set them up there "
              "and enter them here; or choose them here, and create the study at Prolific from the "
              "page Recruitment, which takes them along. Those for full, closed and timed out can "
              "stay empty: people are then asked to return their submission, or to write to you. "
              "Without Prolific, an empty code means that every participant gets a different one.",
              folded=True, opened_by="service"),
    )  # fmt: skip
    entry = forms.ChoiceField(widget=forms.RadioSelect, choices=Recruitment.Entry.choices)
    service = forms.ChoiceField(choices=Recruitment.Service.choices, label="Service")
    external_study = recruitment_field("external_study", label="Study ID at the service")
    excluded = forms.MultipleChoiceField(
        required=False, label=EXCLUDED, widget=forms.CheckboxSelectMultiple
    )
    excluded_lists = forms.MultipleChoiceField(
        required=False, label=EXCLUDED_LISTS, widget=forms.CheckboxSelectMultiple
    )

    def arrange(self) -> None:
        """Add a field for each part of another service, and for the code of each ending."""
        for name in OTHER:
            self.fields[name] = recruitment_field(
                name, label=OTHER_LABELS[name], help_text=OTHER_HELP.get(name, "")
            )
        self._offer_people()
        self._add_codes()

    def _offer_people(self) -> None:
        """Offer the other studies and the lists of the project."""
        study = Study(project=self.draft.project)
        series = selectors.series_of_project(study).exclude(slug=self.answers["slug"])
        chosen: Any = self.fields["excluded"]
        chosen.choices = [(str(one.pk), str(one)) for one in series]
        lists: Any = self.fields["excluded_lists"]
        people: Any = selectors.lists_of_project(study)  # With their numbers of people.
        lists.choices = [(str(one.pk), f"{one} ({one.size} people)") for one in people]
        for name, field in (("excluded", chosen), ("excluded_lists", lists)):
            known = dict(field.choices)
            self.initial[name] = [pk for pk in self.initial[name] or () if pk in known]

    def _add_codes(self) -> None:
        """With a service they are not collapsed."""
        longest = Participation._meta.get_field("completion_code").max_length
        for ending in ENDINGS:
            self.fields[f"code_{ending}"] = forms.CharField(
                required=False, max_length=longest, label=ending.replace("_", " ").capitalize()
            )
        service = self["service"].value()
        shown = {BY_ADDRESSES: service == Recruitment.Service.OTHER,
                 CODES: service not in (None, Recruitment.Service.NONE)}  # fmt: skip
        self.groups = tuple(
            replace(one, folded=one.folded and not shown.get(one.legend)) for one in self.groups
        )

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Each code has its own field."""
        codes: Mapping[str, str] = answers["codes"]
        return dict(answers) | {f"code_{ending}": codes.get(ending, "") for ending in ENDINGS}

    def clean(self) -> dict[str, Any]:
        """Point out each code that the service needs; then check all answers together."""
        data = self.cleaned_data
        if data.get("service") == Recruitment.Service.PROLIFIC:
            study = Study(steps=self.answers["steps"], codes=self._codes(data))
            study.headphones_required = self.answers["headphones_required"]
            for ending in missing_codes(study):
                if f"code_{ending}" not in self.errors:
                    self.add_error(f"code_{ending}", "Prolific needs this code.")
        return super().clean()

    @staticmethod
    def _codes(data: Mapping[str, Any]) -> dict[str, str]:
        """Ending → code, for those that were given."""
        return {ending: code for ending in ENDINGS if (code := data.get(f"code_{ending}"))}

    def plain(self) -> Answers:
        """The given codes as one mapping."""
        data = dict(self.cleaned_data)
        codes = self._codes(data)
        for ending in ENDINGS:
            del data[f"code_{ending}"]
        return data | {"codes": codes}
