"""The link that participants follow, and its owner: one series has all versions of a study."""

from django.db import models
from django.db.models.functions import Lower

from studyapp.models.projects import Project


class StudySeries(models.Model):
    """The slug in the participants' link. It belongs to one project, with all its versions."""

    slug = models.SlugField(max_length=60)
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.PROTECT, related_name="series"
    )
    """Null for studies made on the command line, which only administrators can use."""
    time_zone = models.CharField(max_length=64, default="UTC")
    """Of the times on researchers' pages, such as `America/New_York`; files have UTC."""

    class Meta:
        verbose_name_plural = "study series"
        ordering = ["slug"]
        constraints = [
            # Participants who type the link need not mind capitals.
            models.UniqueConstraint(Lower("slug"), name="one_series_per_slug"),
        ]

    def __str__(self) -> str:
        return self.slug
