"""How participants are recruited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms

from studyapp.models import Participation, Recruitment, Study
from studyapp.recruitment.services.configuration import ENDINGS, missing_codes
from studyapp.wizard.forms.base import Group, StepForm, recruitment_field
from studyapp.wizard.services.answers import Answers


class RecruitmentForm(StepForm):
    """How participants are recruited."""

    step = "recruitment"
    checks_all = True

    title = "Recruitment"
    groups: tuple[Group, ...] = (
        Group("Who may enter", ("entry",)),
        Group("Recruiting service", ("service", "external_study")),
        Group("Completion codes set up on Prolific", tuple(f"code_{e}" for e in ENDINGS),
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
