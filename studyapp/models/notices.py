"""What a project's researchers are told while they are away, and how each message went out."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from studyapp.models.projects import Project


class NoticeSettings(models.Model):
    """Where a project's notices go: by mail, to a webhook, or both."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="notices_to")
    mail_to = models.CharField(max_length=400, blank=True)
    """Addresses, separated by commas."""
    webhook = models.CharField(max_length=500, blank=True)
    """The address that notices are posted to."""
    secret_number = models.PositiveIntegerField(default=1)
    """Which of the project's secrets signs them; the secrets are derived and not stored."""
    quiet_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(720)]
    )
    """Hours without an answer after which an open study is reported; never if empty."""
    since = models.DateTimeField(auto_now_add=True)
    """Nothing that happened before is reported."""

    def __str__(self) -> str:
        return f"{self.project}: notices"


class Notice(models.Model):
    """One message: made once for what happened, then sent until it has arrived."""

    class Kind(models.TextChoices):
        FULL = "quota_full", "quota full"
        FAILED = "job_failed", "job failed"
        QUIET = "quiet", "nobody answers"
        TEST = "test", "test"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    key = models.CharField(max_length=120)
    """What happened: two workers that notice the same thing make one notice."""
    subject = models.CharField(max_length=200)
    content = models.JSONField(default=dict, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    posted_at = models.DateTimeField(null=True, blank=True)
    """When the webhook accepted it."""
    tries = models.PositiveSmallIntegerField(default=0)
    fault = models.CharField(max_length=300, blank=True)
    """Why the last try failed."""

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="one_notice_per_event")
        ]

    def __str__(self) -> str:
        return self.subject
