"""The audit trail."""

from django.conf import settings
from django.db import models

from studyapp.models.projects import Project


class AuditRecord(models.Model):
    """An action: who did what to what, and when. Append-only."""

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.SET_NULL)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    who = models.CharField(max_length=150)
    """The user's name at that time."""
    action = models.CharField(max_length=40)
    target = models.CharField(max_length=150)
    detail = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.target}"
