"""The answer to a trial."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from studyapp.models import Study
from studyapp.models.participation import CONFIDENCE, Response
from studyapp.models.trial_kinds import NONE

CONFIDENCES = tuple((value, _(wording)) for value, wording in CONFIDENCE)
"""The scale in the language of the page."""
LONGEST_LABEL = Response._meta.get_field("free_text").max_length


class AnswerForm(forms.Form):
    """The answer to a trial. `trial` and `key` are opaque and come back as the page got them."""

    trial = forms.CharField(max_length=32, widget=forms.HiddenInput)
    key = forms.CharField(max_length=32, widget=forms.HiddenInput)
    choice = forms.TypedChoiceField(coerce=int)
    confidence = forms.TypedChoiceField(
        coerce=int,
        choices=CONFIDENCES,
        error_messages={
            "required": _("Say how confident you are."),
            "invalid_choice": _("Say how confident you are."),
        },
    )
    free_text = forms.CharField(max_length=LONGEST_LABEL, required=False, strip=True)

    def __init__(self, study: Study, data: Any = None) -> None:
        super().__init__(data)
        kind, choice = study.kind, self.fields["choice"]
        offered = [*range(1, kind.positions + 1), *([NONE] if study.may_choose_none else [])]
        choice.choices = [(value, str(value)) for value in offered]  # type: ignore[attr-defined] # a choice field
        for fault in ("required", "invalid_choice"):
            choice.error_messages[fault] = _(kind.words.choose)
