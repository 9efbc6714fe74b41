"""What the page of a feature shows beyond its row: figures that a worker reads from the run."""

from django.db import models

from studyapp.models.runs import Feature


class FeatureView(models.Model):
    """Histogram, timelines, quantile examples and neighbours' cosines of one feature."""

    feature = models.OneToOneField(Feature, on_delete=models.CASCADE, related_name="view")
    facts = models.JSONField()
    """`pipeline.viewing.facts.FeatureFacts` as plain values."""
    notes = models.JSONField(default=list, blank=True)
    """Lines that say what could not be shown, and why."""
    made_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"view of {self.feature}"
