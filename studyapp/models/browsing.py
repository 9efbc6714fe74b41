"""What people see and choose of features: views that a worker makes, and lists."""

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
