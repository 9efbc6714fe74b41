"""How participants are recruited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.db import models

from studyapp.models import Participation, Recruitment, Study
from studyapp.recruitment.services.configuration import ENDINGS, missing_codes
from studyapp.wizard.forms.base import Group, StepForm
from studyapp.wizard.services.answers import Answers


def _column(name: str) -> models.Field[Any, Any]:
    return next(one for one in Recruitment._meta.concrete_fields if one.name == name)


class RecruitmentForm(StepForm):
    """How participants are recruited."""

    step = "recruitment"
    checks_all = True

    title = "Recruitment"
    groups: tuple[Group, ...] = (
        Group("Who may enter", ("entry",)),
        Group("Recruiting service", ("service", "external_study")),
        Group("Payment", ("payment", "currency"),
              "Per completed participation, for cost estimates."),
        Group("Completion codes set up on Prolific", tuple(f"code_{e}" for e in ENDINGS),
              "Prolific needs a code for every way in which your study can end: set them up there, "
              "then enter them here. Without Prolific, an empty code means that every participant "
              "gets a different one.", folded=True, opened_by="service"),
    )  # fmt: skip
    entry = forms.ChoiceField(widget=forms.RadioSelect, choices=Recruitment.Entry.choices)
    service = forms.ChoiceField(choices=Recruitment.Service.choices, label="Service")
    external_study = _column("external_study").formfield(label="Study ID at the service")
    payment = _column("payment").formfield(min_value=0, label="Amount")
    currency = forms.RegexField(
        r"^[A-Z]{3}$", label="Currency", help_text="Three letters: EUR, GBP, USD."
    )

    def arrange(self) -> None:
        """Add a field for the code of each ending; with a service they are not collapsed."""
        longest = Participation._meta.get_field("completion_code").max_length
        for ending in ENDINGS:
            self.fields[f"code_{ending}"] = forms.CharField(
                required=False, max_length=longest, label=ending.replace("_", " ").capitalize()
            )
        *others, codes = self.groups
        is_folded = self["service"].value() in (None, Recruitment.Service.NONE)
        self.groups = (*others, replace(codes, folded=is_folded))

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Each code has its own field."""
        codes: Mapping[str, str] = answers["codes"]
        return dict(answers) | {f"code_{ending}": codes.get(ending, "") for ending in ENDINGS}

    def clean(self) -> dict[str, Any]:
        """Point out each code that the service needs; then check all answers together."""
        data = self.cleaned_data
        if data.get("service", Recruitment.Service.NONE) != Recruitment.Service.NONE:
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
        """The given codes as one mapping; the amount as text, to stay exact."""
        data = dict(self.cleaned_data)
        codes = self._codes(data)
        for ending in ENDINGS:
            del data[f"code_{ending}"]
        payment = data["payment"]
        return data | {
            "codes": codes,
            "payment": None if payment is None else f"{payment:.2f}",
        }
