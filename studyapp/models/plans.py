"""A study in the making: answers to the steps, before anything is drawn."""

from django.conf import settings
from django.db import models

from studyapp.models.projects import Project
from studyapp.models.studies import Study


class StudyPlan(models.Model):
    """What has been decided so far; `studies.create_study` makes the study of it."""

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE)
    answers = models.JSONField(default=dict)
    """Field → plain value, of the forms in `studyapp.wizard.forms`."""
    study = models.ForeignKey(Study, null=True, blank=True, on_delete=models.SET_NULL)
    """The draft that was made of it."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    step = models.CharField(max_length=20, blank=True)
    """The step that was answered last; empty before the first."""
    power = models.JSONField(default=dict, blank=True)
    """`asked`, the numbers of a design, and what a worker `found` for them."""
    done = models.PositiveIntegerField(default=0)
    """Sounds made so far, while a worker makes the study."""
    total = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed_at"]

    def __str__(self) -> str:
        return str(self.answers.get("slug") or f"plan {self.pk}")
