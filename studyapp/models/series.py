"""A participants' link and whose it is: one series has all versions of a study."""

from django.db import models
from django.db.models.functions import Lower

from studyapp.models.projects import Project


class StudySeries(models.Model):
    """The slug in a participants' link. It belongs to one project, with every version under it."""

    slug = models.SlugField(max_length=60)
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.PROTECT, related_name="series"
    )
    """Null for studies that the command line made: for administrators only."""

    class Meta:
        verbose_name_plural = "study series"
        ordering = ["slug"]
        constraints = [
            # A participant who types the link does not look at capitals.
            models.UniqueConstraint(Lower("slug"), name="one_series_per_slug"),
        ]

    def __str__(self) -> str:
        return self.slug
