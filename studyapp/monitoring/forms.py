"""Forms of a study's recruitment page."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms

from studyapp.models import Recruitment
from studyapp.recruitment.services.intents import CATEGORIES, MOST_BONUS, REASON_CHARACTERS
from studyapp.recruitment.services.prolific_study import Draft

if TYPE_CHECKING:
    RecruitmentForm = forms.ModelForm[Recruitment]
else:
    RecruitmentForm = forms.ModelForm


class SettingsForm(RecruitmentForm):
    """Who may enter, through which service, for which payment."""

    class Meta:
        model = Recruitment
        fields = ("entry", "service", "external_study", "payment", "currency")
        labels = {
            "entry": "Who may enter",
            "service": "Recruiting service",
            "external_study": "Study ID at the service",
            "payment": "Payment for a complete participation",
            "currency": "Currency, such as EUR",
        }

    def clean_currency(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["currency"]).upper()


class DraftForm(forms.Form):
    """What Prolific must know to make a draft."""

    description = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What people read at Prolific before they begin.",
    )
    places = forms.IntegerField(min_value=1, max_value=100_000, label="Places")
    minutes = forms.IntegerField(min_value=1, max_value=1000, label="Minutes that it takes")
    screened_out_reward = forms.DecimalField(
        required=False, min_value=Decimal("0.01"), max_digits=8, decimal_places=2,
        label="Payment for people who are screened out",
        help_text="Prolific pays it without review, at most so often as the next number says. "
        "If empty, they are asked to return their submission, and are not paid.",
    )  # fmt: skip
    screened_out_places = forms.IntegerField(
        required=False, min_value=1, max_value=100_000, label="At most so many are paid so"
    )

    def draft(self, link: str) -> Draft:
        """The draft that was described."""
        data = self.cleaned_data
        return Draft(
            description=data["description"], link=link, minutes=data["minutes"],
            places=data["places"], screened_out_reward=data["screened_out_reward"],
            screened_out_places=data["screened_out_places"] or 0,
        )  # fmt: skip


class PlacesForm(forms.Form):
    """How many places more."""

    more = forms.IntegerField(min_value=1, max_value=10_000, label="Places to add")


class SubmissionsForm(forms.Form):
    """What is done with the submissions that were ticked."""

    amount = forms.DecimalField(
        required=False, max_value=MOST_BONUS, min_value=Decimal("0.01"), decimal_places=2,
        label="Bonus",
    )  # fmt: skip
    category = forms.ChoiceField(
        required=False, choices=[("", "–"), *CATEGORIES.items()], label="Category"
    )
    reason = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        label="Reason, which the participant reads",
        help_text=f"For a rejection at least {REASON_CHARACTERS} characters.",
    )  # fmt: skip


def first_error(form: forms.BaseForm) -> str:
    """The first thing that is wrong with a form, in one line."""
    for name, errors in form.errors.items():
        label: Any = form.fields[name].label if name in form.fields else ""
        return f"{label or name}: {errors[0]}".replace("__all__: ", "")
    return ""
