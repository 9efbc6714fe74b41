"""What a feature's page shows beyond its row: data that a worker reads from the run."""

from django.db import models

from studyapp.models.runs import Feature


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
