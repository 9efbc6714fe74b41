"""The answer to a trial."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from studyapp.models.participation import CONFIDENCE, Response
from studyapp.studies.services.drawing import OPTIONS

CONFIDENCES = tuple((value, _(wording)) for value, wording in CONFIDENCE)
"""The scale in the language of the page."""
LONGEST_LABEL = Response._meta.get_field("free_text").max_length


class AnswerForm(forms.Form):
    """The answer to a trial. `trial` and `key` are opaque and come back as the page got them."""

    trial = forms.CharField(max_length=32, widget=forms.HiddenInput)
    key = forms.CharField(max_length=32, widget=forms.HiddenInput)
    choice = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in range(1, OPTIONS + 1)],
        error_messages={
            "required": _("Choose one of the five names."),
            "invalid_choice": _("Choose one of the five names."),
        },
    )
    confidence = forms.TypedChoiceField(
        coerce=int,
        choices=CONFIDENCES,
        error_messages={
            "required": _("Say how confident you are."),
            "invalid_choice": _("Say how confident you are."),
        },
    )
    free_text = forms.CharField(max_length=LONGEST_LABEL, required=False, strip=True)
