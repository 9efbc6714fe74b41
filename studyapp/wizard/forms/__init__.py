"""The forms of a study made in steps: one a step of `services.study_plans.STEPS`.

A form shows every answer, given or default, and gives back plain values (`plain`). What the answers
together cannot be is said on the page of the step that made it so.
"""

from studyapp.wizard.forms.base import Group, StepForm
from studyapp.wizard.forms.rules import ChecksForm
from studyapp.wizard.forms.sample import (
    FeaturesForm,
    MethodsForm,
    SizeForm,
    SourcesForm,
    TrialsForm,
)
from studyapp.wizard.forms.words import RecruitmentForm, TextsForm

FORMS: dict[str, type[StepForm]] = {
    "sources": SourcesForm,
    "methods": MethodsForm,
    "features": FeaturesForm,
    "trials": TrialsForm,
    "size": SizeForm,
    "checks": ChecksForm,
    "texts": TextsForm,
    "recruitment": RecruitmentForm,
}


__all__ = ["FORMS", "Group", "StepForm"]
