"""Forms of a study's recruitment page."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms

from studyapp.models import ParticipantGroup, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services.configuration import OtherService
from studyapp.recruitment.services.intents import CATEGORIES, MOST_BONUS, REASON_CHARACTERS
from studyapp.recruitment.services.prolific_study import Draft
from studyapp.wizard.forms.recruitment import EXCLUDED, EXCLUDED_LISTS, OTHER_HELP, OTHER_LABELS
from studyapp.wizard.services.answers import OTHER

if TYPE_CHECKING:
    RecruitmentForm = forms.ModelForm[Recruitment]
else:
    RecruitmentForm = forms.ModelForm


class SettingsForm(RecruitmentForm):
    """Who may enter, through which service, for which payment."""

    class Meta:
        model = Recruitment
        fields = (
            "entry", "service", "external_study", "payment", "currency", "service_name",
            "person_parameter", "session_parameter", "return_address", "excluded",
            "excluded_lists",
        )  # fmt: skip
        widgets = {
            "excluded": forms.CheckboxSelectMultiple,
            "excluded_lists": forms.CheckboxSelectMultiple,
        }
        labels = {
            "entry": "Who may enter",
            "service": "Recruiting service",
            "external_study": "Study ID at the service",
            "payment": "Payment for a complete participation",
            "currency": "Currency, such as EUR",
            **OTHER_LABELS,
            "excluded": EXCLUDED,
            "excluded_lists": EXCLUDED_LISTS,
        }
        help_texts = {
            **OTHER_HELP,
            "excluded": "As far as both studies know people by the same service’s identifiers.",
        }

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        """Offer the other studies and the lists of the project."""
        super().__init__(*args, **kwargs)
        offered: Any = self.fields["excluded"]
        offered.queryset = selectors.series_of_project(study)
        lists: Any = self.fields["excluded_lists"]
        lists.queryset = selectors.lists_of_project(study)
        lists.label_from_instance = lambda one: f"{one} ({one.size} people)"
        for name in ("excluded", "excluded_lists"):
            if not self.fields[name].queryset.exists():  # type: ignore[attr-defined] # it has one
                del self.fields[name]

    def main(self) -> list[forms.BoundField]:
        """The fields that every study needs."""
        others = {*OTHER, "excluded", "excluded_lists"}
        return [self[name] for name in self.fields if name not in others]

    def of_another(self) -> list[forms.BoundField]:
        """The fields of another service than Prolific."""
        return [self[name] for name in OTHER]

    def settings(self) -> dict[str, Any]:
        """The arguments of `configuration.configure`."""
        data = dict(self.cleaned_data)
        other = OtherService(**{name: data.pop(name) for name in OTHER})
        return data | {"other": other}

    def clean_currency(self) -> str:
        """In capitals."""
        return str(self.cleaned_data["currency"]).upper()


class PeopleForm(forms.Form):
    """People for a list, by their identifiers at the recruiting service."""

    name = forms.CharField(max_length=100, label="Name of the list")
    people = forms.CharField(
        max_length=3_000_000,
        label="Their identifiers at the service, one per line",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Only keyed hashes of them are stored, so the list cannot be shown again.",
    )


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
    kept_out = forms.ModelMultipleChoiceField(
        queryset=ParticipantGroup.objects.none(), required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Prolific invites nobody in these participant groups, now or later",
    )  # fmt: skip

    def __init__(self, *args: Any, study: Study, **kwargs: Any) -> None:
        """Offer the groups that the project has made."""
        super().__init__(*args, **kwargs)
        groups = selectors.groups_of_project(study)
        if groups.exists():
            self.fields["kept_out"].queryset = groups  # type: ignore[attr-defined] # it has one
        else:
            del self.fields["kept_out"]

    def draft(self, link: str) -> Draft:
        """The draft that was described."""
        data = self.cleaned_data
        return Draft(
            description=data["description"], link=link, minutes=data["minutes"],
            places=data["places"], screened_out_reward=data["screened_out_reward"],
            screened_out_places=data["screened_out_places"] or 0,
            kept_out=[*data.get("kept_out", ())],
        )  # fmt: skip


class PlacesForm(forms.Form):
    """How many places more."""

    more = forms.IntegerField(min_value=1, max_value=10_000, label="Places to add")


class GroupForm(forms.Form):
    """The participant group of the people who took part."""

    group = forms.CharField(
        max_length=100, label="Name of the group at Prolific",
        help_text="It is made there if this project has none of that name.",
        widget=forms.TextInput(attrs={"list": "groups"}),
    )  # fmt: skip


class TesterForm(forms.Form):
    """A test participant."""

    email = forms.EmailField(
        label="Mail address for a test participant",
        help_text="One that has no account at Prolific. Ask there for a new password before you "
        "log in with it.",
    )


class SubmissionsForm(forms.Form):
    """What is done with the submissions that were ticked."""

    amount = forms.DecimalField(
        required=False, max_value=MOST_BONUS, min_value=Decimal("0.01"), decimal_places=2,
        label="Bonus for each",
    )  # fmt: skip
    category = forms.ChoiceField(
        required=False, choices=[("", "–"), *CATEGORIES.items()], label="Category"
    )
    reason = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}),
        label="Reason or message, which participants read",
        help_text=f"For a rejection at least {REASON_CHARACTERS} characters.",
    )  # fmt: skip


def first_error(form: forms.BaseForm) -> str:
    """The first thing that is wrong with a form, in one line."""
    for name, errors in form.errors.items():
        label: Any = form.fields[name].label if name in form.fields else ""
        return f"{label or name}: {errors[0]}".replace("__all__: ", "")
    return ""
