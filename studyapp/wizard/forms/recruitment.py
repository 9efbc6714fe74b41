"""How participants are recruited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import models

from studyapp.models import Participation, Recruitment
from studyapp.recruitment.services.configuration import ENDINGS
from studyapp.wizard.forms.base import Group, StepForm
from studyapp.wizard.services.answers import Answers


def _column(name: str) -> models.Field[Any, Any]:
    return next(one for one in Recruitment._meta.concrete_fields if one.name == name)


class RecruitmentForm(StepForm):
    """How participants are recruited."""

    step = "recruitment"
    checks_all = True

    title = "Recruitment"
    groups = (
        Group("Who may enter", ("entry",)),
        Group("Recruiting service", ("service", "external_study")),
        Group("Payment", ("payment", "currency"),
              "Per completed participation, for cost estimates."),
        Group("Completion codes set up on Prolific", tuple(f"code_{e}" for e in ENDINGS),
              "If empty, every participant gets a different code.", folded=True),
    )  # fmt: skip
    entry = forms.ChoiceField(widget=forms.RadioSelect, choices=Recruitment.Entry.choices)
    service = forms.ChoiceField(choices=Recruitment.Service.choices, label="Service")
    external_study = _column("external_study").formfield(label="Study ID at the service")
    payment = _column("payment").formfield(min_value=0, label="Amount")
    currency = forms.RegexField(
        r"^[A-Z]{3}$", label="Currency", help_text="Three letters: EUR, GBP, USD."
    )

    def arrange(self) -> None:
        """Add a field for the code of each ending."""
        longest = Participation._meta.get_field("completion_code").max_length
        for ending in ENDINGS:
            self.fields[f"code_{ending}"] = forms.CharField(
                required=False, max_length=longest, label=ending.replace("_", " ").capitalize()
            )

    def shown(self, answers: Answers) -> dict[str, Any]:
        """Each code has its own field."""
        codes: Mapping[str, str] = answers["codes"]
        return dict(answers) | {f"code_{ending}": codes.get(ending, "") for ending in ENDINGS}

    def plain(self) -> Answers:
        """The given codes as one mapping; the amount as text, to stay exact."""
        data = dict(self.cleaned_data)
        codes = {ending: data.pop(f"code_{ending}") for ending in ENDINGS}
        payment = data["payment"]
        return data | {
            "codes": {ending: code for ending, code in codes.items() if code},
            "payment": None if payment is None else f"{payment:.2f}",
        }
