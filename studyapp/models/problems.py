"""Technical problems that participants report."""

from django.db import models

from studyapp.models.participation import Participation, Trial


class ProblemReport(models.Model):
    """What a participant reported from a page, with the state of that page but nothing typed on it.

    Withdrawal erases it.
    """

    class Kind(models.TextChoices):
        SOUND = "sound", "a sound is not heard or breaks off"
        STUCK = "stuck", "the page does not go on"
        SAVING = "saving", "answers are not saved"
        LOOKS = "looks", "the page cannot be read or used"
        OTHER = "other", "something else"

    participation = models.ForeignKey(
        Participation, on_delete=models.CASCADE, related_name="problems"
    )
    page = models.CharField(max_length=20)
    """The step at which the participation was."""
    trial = models.ForeignKey(
        Trial, null=True, blank=True, on_delete=models.CASCADE, related_name="problems"
    )
    """The trial that was open, if there was one."""
    kind = models.CharField(max_length=10, choices=Kind.choices)
    words = models.CharField(max_length=500, blank=True)
    """The participant's own words."""
    browser = models.JSONField(default=dict, blank=True)
    """What `participation.services.browsers.described` says of the browser."""
    state = models.JSONField(default=dict, blank=True)
    """What the page reported about itself and its players: keys of `participation.forms.problems`.
    Empty without its script."""
    reported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["participation", "id"]

    def __str__(self) -> str:
        return f"{self.participation}: {self.kind}"
