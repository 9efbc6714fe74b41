"""What the pages of the sound checks send."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from studyapp.participation.forms.events import MAX_MILLISECONDS
from studyapp.studies.services.check_sounds import BEAT_COUNTS, TONE_COUNTS


class DeviceForm(forms.Form):
    """What the browser reports: without sound and storage the participant cannot continue."""

    sound = forms.BooleanField()
    storage = forms.BooleanField()
    touch = forms.BooleanField(required=False)
    width = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    """Width of the window, CSS pixels."""


class EvidenceForm(forms.Form):
    """What a check's page observed before the answer; without its script a page reports nothing."""

    plays = forms.IntegerField(required=False, min_value=0, max_value=100_000)
    heard_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)
    hidden_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)
    page_ms = forms.IntegerField(required=False, min_value=0, max_value=MAX_MILLISECONDS)

    asks: ClassVar[str] = ""
    """The field that asks about the sound."""

    def clean(self) -> dict[str, Any]:
        """Refuse an answer if the page saw that no sound was played."""
        data = super().clean() or {}
        if data.get("plays") == 0 and self.asks in data:
            self.add_error(self.asks, _("Please play the sound first."))
        return data

    def answer(self) -> dict[str, Any]:
        """The answer's fields, and the observations together under `evidence`."""
        seen = {name: self.cleaned_data[name] for name in EvidenceForm.base_fields}
        rest = {name: self.cleaned_data[name] for name in self.cleaned_data if name not in seen}
        return rest | {"evidence": {k: v for k, v in seen.items() if v is not None}}


class CountForm(EvidenceForm):
    """How many soft tones the participant counted."""

    asks = "count"
    token = forms.CharField(max_length=32)
    count = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in (*TONE_COUNTS, 0)],
        error_messages={"required": _("Say how many tones you heard.")},
    )


class IntervalForm(EvidenceForm):
    """Which of the three sounds was the right one."""

    asks = "choice"
    token = forms.CharField(max_length=32)
    choice = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, str(number)) for number in (1, 2, 3)],
        error_messages={"required": _("Choose one of the three.")},
    )


class HearingForm(EvidenceForm):
    """Which of three tones is the highest, and how many beats there are."""

    asks = "beats"
    token = forms.CharField(max_length=32)
    highest = forms.TypedChoiceField(
        coerce=int,
        choices=[("1", "1"), ("2", "2"), ("3", "3")],
        error_messages={"required": _("Say which tone is the highest.")},
    )
    beats = forms.TypedChoiceField(
        coerce=int,
        choices=[(str(number), str(number)) for number in BEAT_COUNTS],
        error_messages={"required": _("Say how many beats you heard.")},
    )
