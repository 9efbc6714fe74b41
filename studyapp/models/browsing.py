"""What people see and choose of features: views that a worker makes, searches, and lists."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from studyapp.models.projects import Project
from studyapp.models.runs import Feature, Run


class FeatureView(models.Model):
    """Histogram, timelines, quantile examples and neighbours' cosines of one feature."""

    feature = models.OneToOneField(Feature, on_delete=models.CASCADE, related_name="view")
    facts = models.JSONField()
    """`pipeline.viewing.facts.FeatureFacts` as plain values."""
    notes = models.JSONField(default=list, blank=True)
    """Lines that explain what could not be shown."""
    made_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"view of {self.feature}"


class FeatureList(models.Model):
    """Features of one run that somebody chose, in order; a study can be made of them."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="lists")
    name = models.CharField(max_length=100)
    members = models.JSONField(default=list)
    """Identifiers of features, each once. They stay the same if the run is indexed again."""
    notes = models.JSONField(default=dict, blank=True)
    """Member → what somebody wrote about it."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed_at"]
        constraints = [
            models.UniqueConstraint("run", Lower("name"), name="one_list_per_run_and_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def project(self) -> Project | None:
        """The owner, which is the run's."""
        return self.run.project


class FeatureSearch(models.Model):
    """A question about the features of a run, which a worker answers: words, or a sound."""

    class Kind(models.TextChoices):
        WORDS = "words", "words"
        SOUND = "sound", "sound"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="searches")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.CharField(max_length=300)
    """The words; of a sound, the name of its file as it was given."""
    sound = models.CharField(max_length=64, blank=True)
    """SHA-256 of a sound's bytes, under which it is stored; empty for words."""
    found = models.JSONField(null=True, blank=True)
    """What the worker found (`features.tasks`); None until it has."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    """When it was asked for last: what is older than the run's labels is made again."""

    class Meta:
        ordering = ["-asked_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "kind", "text", "sound"], name="one_search_per_run_and_question"
            )
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def project(self) -> Project | None:
        """The owner, which is the run's."""
        return self.run.project
