"""The questionnaire as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from studyapp.studies.questionnaire import Question


def questionnaire_form(questions: Sequence[Question], data: Mapping[str, Any] | None) -> forms.Form:
    """A form with these questions. None is required; an answer that is not offered is rejected."""
    form = forms.Form(data)
    for question in questions:
        form.fields[question.name] = forms.ChoiceField(choices=question.answers, required=False)
    return form
