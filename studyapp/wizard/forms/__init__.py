"""The forms of the wizard: one for each step of `services.answers.STEPS`.

A form shows every answer, given or default, and returns values that JSON can hold (`plain`). If the
answers contradict one another, the step that caused this says why.
"""

from studyapp.wizard.forms.base import Group, StepForm
from studyapp.wizard.forms.checks import ChecksForm
from studyapp.wizard.forms.design import (
    MethodsForm,
    SizeForm,
    SourcesForm,
    TrialsForm,
)
from studyapp.wizard.forms.features import FeaturesForm
from studyapp.wizard.forms.recruitment import RecruitmentForm
from studyapp.wizard.forms.texts import TextsForm

FORMS: dict[str, type[StepForm]] = {
    form.step: form
    for form in (
        SourcesForm, MethodsForm, TrialsForm, FeaturesForm, SizeForm, ChecksForm, TextsForm,
        RecruitmentForm,
    )
}  # fmt: skip


__all__ = ["FORMS", "Group", "StepForm"]
