"""Departures from a frozen design while its study is under way. Append-only, and exported."""

from django.db import models
from django.db.models import Q

from studyapp.models.studies import Condition, Study


class Deviation(models.Model):
    """A change of how a study runs that its frozen design did not foresee."""

    class Kind(models.TextChoices):
        CONDITION_OFF = "condition_off", "switched a condition off"
        CONDITION_ON = "condition_on", "switched a condition on again"
        PLACES_ADDED = "places_added", "added places"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="deviations")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    condition = models.ForeignKey(
        Condition, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    places = models.PositiveIntegerField(null=True, blank=True)
    """How many places were added; between participants, in each condition that was on."""
    reason = models.CharField(max_length=500)
    who = models.CharField(max_length=150)
    """The user's name at that time; in no export."""
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["study", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="places_added", places__isnull=False, condition=None)
                | Q(~Q(kind="places_added"), places=None, condition__isnull=False),
                name="a_deviation_says_what_it_concerns",
            )
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.get_kind_display()}"
