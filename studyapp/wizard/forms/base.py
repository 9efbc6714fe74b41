"""What the forms of a study in the making share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms

from studyapp.models import Run, StudyPlan
from studyapp.wizard.services import drafts as services
from studyapp.wizard.services.drafts import Answers


@dataclass(frozen=True)
class Group:
    """Fields that stand together."""

    legend: str
    fields: tuple[str, ...]
    hint: str = ""
    folded: bool = False
    """Whether they are out of the way until asked for."""


class StepForm(forms.Form):
    """What the steps share."""

    title = ""
    intro = ""
    groups: tuple[Group, ...] = ()
    checks_all = False
    """Whether it comes late enough to be told what all answers together cannot be."""

    def __init__(
        self, data: Any = None, *, plan: StudyPlan, answers: Answers, runs: list[Run]
    ) -> None:
        super().__init__(data, initial=self.shown(answers))
        self.plan, self.answers, self.sources = plan, answers, runs
        self.arrange()
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("id", f"id_{name}")

    def shown(self, answers: Answers) -> dict[str, Any]:
        """The answers as the fields show them."""
        return dict(answers)

    def arrange(self) -> None:
        """Choices that depend on the answers before."""

    def plain(self) -> Answers:
        """What is kept: plain values alone."""
        return dict(self.cleaned_data)

    def bound_groups(self) -> list[tuple[Group, list[forms.BoundField]]]:
        """The groups with their fields, for the template."""
        return [(group, [self[name] for name in group.fields]) for group in self.groups]

    def clean(self) -> dict[str, Any]:
        """Together with the other answers; what was wrong before is not this step's fault."""
        data = super().clean() or {}
        if self.checks_all and not self.errors:
            before = services.problem(self.plan, self.answers)
            self.cleaned_data = data
            after = services.problem(self.plan, self.answers | self.plain())
            if after and not before:
                self.add_error(None, f"{after}.")
        return data
