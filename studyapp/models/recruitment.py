"""How participants come: by a recruiting service, by tokens, at a machine in the laboratory.

What stands here may change while a study is open; what is frozen with it (its codes) stands there.
"""

from django.db import models
from django.db.models import F, Q

from studyapp.models.studies import Study


class Recruitment(models.Model):
    """Where a study's participants come from. A study without one is open to anyone with the link.

    The service's token and secret are no rows: they come from the environment.
    """

    class Entry(models.TextChoices):
        LINK = "link", "Anyone with the link"
        TOKEN = "token", "Only people with a personal link, or from the recruiting service"

    class Service(models.TextChoices):
        NONE = "none", "none"
        PROLIFIC = "prolific", "Prolific"

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="recruitment")
    entry = models.CharField(max_length=10, choices=Entry.choices, default=Entry.LINK)
    service = models.CharField(max_length=10, choices=Service.choices, default=Service.NONE)
    external_study = models.CharField(max_length=64, blank=True)
    """The service's own identifier of the study; a link with another one is refused."""
    payment = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    """What a complete participation is paid; empty where the study does not say."""
    currency = models.CharField(max_length=3, blank=True)
    """ISO 4217, of the payment."""
    reconciled_at = models.DateTimeField(null=True, blank=True)
    """When the service's list of submissions was last compared with ours."""

    def __str__(self) -> str:
        return f"{self.study}: {self.get_service_display()}"


class EntryToken(models.Model):
    """A token in a link, by which one participant, or many, or a laboratory's machine, may enter.

    Only its hash is stored: the token itself is shown once, when it is made.
    """

    class Kind(models.TextChoices):
        SINGLE = "single", "single use: for the first person who opens it"
        SHARED = "shared", "shared by several people"
        KIOSK = "kiosk", "a machine in the laboratory: one participant after another"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="entry_tokens")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    digest = models.CharField(max_length=64, unique=True)
    """Keyed hash of the token, hexadecimal."""
    note = models.CharField(max_length=100, blank=True)
    """For the researcher only: whom it is for."""
    uses = models.PositiveIntegerField(default=0)
    max_uses = models.PositiveIntegerField(null=True, blank=True)
    """How many participations it may begin; no limit where empty."""
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["study", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(max_uses=None) | Q(uses__lte=F("max_uses")),
                name="a_token_is_not_used_more_often_than_it_may",
            ),
            models.CheckConstraint(
                condition=~Q(kind="single") | Q(max_uses=1), name="a_single_use_is_one_use"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.kind} token {self.pk}"


class Delivery(models.Model):
    """A message of a recruiting service, taken once however often it is sent."""

    service = models.CharField(max_length=10, choices=Recruitment.Service.choices)
    event = models.CharField(max_length=100)
    """The service's identifier of the message."""
    type = models.CharField(max_length=60)
    outcome = models.CharField(max_length=40)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-received_at"]
        constraints = [
            models.UniqueConstraint(fields=["service", "event"], name="one_delivery_per_event")
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.event}: {self.outcome}"
