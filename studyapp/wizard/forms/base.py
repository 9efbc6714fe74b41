"""What the forms of the wizard share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms

from studyapp.models import Recruitment, Run, StudyDraft
from studyapp.studies.settings import Setting, every_setting
from studyapp.wizard.services import drafts as services
from studyapp.wizard.services.answers import Answers


@dataclass(frozen=True)
class Group:
    """Fields that are shown together."""

    legend: str
    fields: tuple[str, ...]
    hint: str = ""
    folded: bool = False
    """Whether they are collapsed at first."""
    when: str = ""
    """The values of `selection` or `option_policy`, separated by spaces, under which they count;
    empty for all."""
    opened_by: str = ""
    """The choice that opens them: whatever is chosen but `none`, or the value after `=`."""


def field_of(one: Setting, **given: Any) -> forms.Field:
    """The form field of a setting: the column gives its kind, the table its words and limits.

    `given` overrides both.
    """
    said: dict[str, Any] = {"label": one.label, "help_text": one.help}
    if one.limits:
        said |= {"min_value": one.limits[0], "max_value": one.limits[1]}
    field = one.column.formfield(**said | given)
    if field is None:
        raise TypeError(f"{one.name} has no form field of its own")
    return field


def recruitment_field(name: str, **given: Any) -> forms.Field:
    """The form field of a column of `Recruitment`."""
    column = next(one for one in Recruitment._meta.concrete_fields if one.name == name)
    field = column.formfield(**given)
    if field is None:
        raise TypeError(f"{name} has no form field of its own")
    return field


class StepForm(forms.Form):
    """What the steps share: a field for each setting that the table has for `step`.

    A class declares the fields that need more than the table says, and those that are not settings.
    """

    step: ClassVar[str]
    title = ""
    intro = ""
    groups: tuple[Group, ...] = ()
    checks_all = False
    """Whether it comes late enough to report what is wrong with all answers together."""

    def __init__(
        self, data: Any = None, *, draft: StudyDraft, answers: Answers, runs: list[Run]
    ) -> None:
        super().__init__(data, initial=self.shown(answers))
        # `title_` is the study's title: `title` is already the form's own.
        declared = {name.rstrip("_") for name in self.fields}
        for one in every_setting():
            if one.step == self.step and one.name not in declared:
                self.fields[one.name] = field_of(one)
        self.draft, self.answers, self.sources = draft, answers, runs
        self.arrange()
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("id", f"id_{name}")

    @classmethod
    def is_answered(cls, answers: Answers) -> bool:
        """Whether any of the step's answers is given, not a default."""
        table = {one.name for one in every_setting() if one.step == cls.step}
        return not (table | set(cls.base_fields)).isdisjoint(answers)

    def shown(self, answers: Answers) -> dict[str, Any]:
        """The answers as the fields show them."""
        return dict(answers)

    def arrange(self) -> None:
        """Set the choices that depend on earlier answers."""

    def plain(self) -> Answers:
        """What is kept: values that JSON can hold."""
        return dict(self.cleaned_data)

    def bound_groups(self) -> list[tuple[Group, list[forms.BoundField]]]:
        """The groups with their fields, for the template."""
        return [(group, [self[name] for name in group.fields]) for group in self.groups]

    def clean(self) -> dict[str, Any]:
        """Check all answers together; report only what these answers made wrong."""
        data = super().clean() or {}
        if self.checks_all and not self.errors:
            before = services.problem(self.draft, self.answers)
            self.cleaned_data = data
            after = services.problem(self.draft, self.answers | self.plain())
            if after and not before:
                self.add_error(None, f"{after}.")
        return data
