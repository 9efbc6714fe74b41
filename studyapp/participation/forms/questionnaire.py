"""The questionnaire as a form: the site's own questions, and the researcher's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from studyapp.studies.own_questions import LONGEST_ANSWER, OwnQuestion
from studyapp.studies.questionnaire import Question

LARGEST = 10**9
"""Of a number without limits, either way."""


def questionnaire_form(
    questions: Sequence[Question],
    data: Mapping[str, Any] | None,
    *,
    own: Sequence[OwnQuestion] = (),
) -> forms.Form:
    """A form with these questions. None is required; an answer that is not offered is rejected."""
    form = forms.Form(data)
    for question in questions:
        form.fields[question.name] = forms.ChoiceField(choices=question.answers, required=False)
    for one in own:
        form.fields[one.name] = _field(one)
    return form


def _field(one: OwnQuestion) -> forms.Field:
    if one.codes:
        return forms.ChoiceField(choices=one.codes, required=False)
    if one.kind == "text":
        return forms.CharField(required=False, max_length=LONGEST_ANSWER)
    limits = (one.low, one.high) if one.low < one.high else (-LARGEST, LARGEST)
    return forms.DecimalField(
        required=False, min_value=limits[0], max_value=limits[1], max_digits=16,
        decimal_places=6, error_messages={"invalid": _("Please give a number.")},
    )  # fmt: skip
