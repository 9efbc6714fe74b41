"""The draft of a study: answers to the steps of the wizard, before anything is drawn."""

from django.conf import settings
from django.db import models

from studyapp.models.projects import Project
from studyapp.models.studies import Study


class StudyDraft(models.Model):
    """What has been decided so far; a worker makes the study from it."""

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE)
    answers = models.JSONField(default=dict)
    """Answer → value, from the forms in `studyapp.wizard.forms`."""
    study = models.ForeignKey(Study, null=True, blank=True, on_delete=models.SET_NULL)
    """The study that was made from it; until it is frozen, it can be made again."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    step = models.CharField(max_length=20, blank=True)
    """The step that was answered last; empty before the first."""
    power = models.JSONField(default=dict, blank=True)
    """`asked`, the numbers of a design, and what a worker `found` for them."""
    done = models.PositiveIntegerField(default=0)
    """Number of sounds made so far, while a worker makes the study."""
    total = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "studyapp_studyplan"
        ordering = ["-changed_at"]

    def __str__(self) -> str:
        return str(self.answers.get("slug") or f"draft {self.pk}")
