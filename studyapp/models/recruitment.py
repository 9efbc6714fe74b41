"""How participants are recruited: by a service, by tokens, at a computer in the laboratory.

These rows may change while a study is open. Its codes are frozen with it and are in its own row.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from studyapp.models.projects import Project
from studyapp.models.series import StudySeries
from studyapp.models.studies import Study


class PersonList(models.Model):
    """People whom studies of a project can keep out, such as those of a study made elsewhere."""

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="person_lists"
    )
    """The owner; null for a list made on the command line for studies without a project."""
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="one_person_list_per_project_and_name"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(project=None),
                name="one_person_list_per_name_without_project",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Recruitment(models.Model):
    """Where a study's participants come from. Without one, anyone with the link can enter.

    The service's token and secret are not stored: they come from the environment.
    """

    class Entry(models.TextChoices):
        LINK = "link", "Anyone with the link"
        TOKEN = "token", "Only people with a personal link, or from the recruiting service"

    class Service(models.TextChoices):
        NONE = "none", "none"
        PROLIFIC = "prolific", "Prolific"
        OTHER = "other", "Another service, by its addresses"

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="recruitment")
    entry = models.CharField(max_length=10, choices=Entry.choices, default=Entry.LINK)
    service = models.CharField(max_length=10, choices=Service.choices, default=Service.NONE)
    external_study = models.CharField(max_length=64, blank=True)
    """The study's identifier at the service; a link with a different one is refused."""
    test_study = models.CharField(max_length=64, blank=True)
    """The identifier of its test study at Prolific: who comes from it is led to a copy."""
    payment = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    """Payment for a complete participation; empty if the study does not state it."""
    currency = models.CharField(max_length=3, blank=True)
    """Of the payment, ISO 4217."""
    service_name = models.CharField(max_length=40, blank=True)
    """What participants know another service as; empty for Prolific."""
    person_parameter = models.CharField(max_length=40, blank=True)
    """In another service's link, the parameter that identifies a person, such as `survey_code`."""
    session_parameter = models.CharField(max_length=40, blank=True)
    """The same for the person's submission, if there is one."""
    return_address = models.CharField(max_length=500, blank=True)
    """Where another service takes people back, with placeholders such as {code} and {person}."""
    excluded = models.ManyToManyField(StudySeries, blank=True, related_name="+")
    """Studies of the same project: whoever took part in one cannot begin this one."""
    excluded_lists = models.ManyToManyField(PersonList, blank=True, related_name="+")
    """Lists of the same project: nobody on one can begin this study."""
    reconciled_at = models.DateTimeField(null=True, blank=True)
    """When the service's list of submissions was last compared with the participations."""

    def __str__(self) -> str:
        return f"{self.study}: {self.get_service_display()}"


class EntryToken(models.Model):
    """A token in a link that lets one participant, several, or a laboratory's computer enter.

    Only its hash is stored; the token itself is shown once, when it is made.
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
    """How many participations it may begin; no limit if empty."""
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
    """A message from a recruiting service, processed once however often it is sent."""

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


class RecruitmentAction(models.Model):
    """Something that the recruiting service is asked to do: publish the study, pay a bonus.

    The row is stored before anything is sent, as sent before the request, and as confirmed after
    the answer. A row that stays "sent" was interrupted in between: what the service did is then
    read from the service, and nothing is sent again before.
    """

    class Kind(models.TextChoices):
        CREATE = "create", "Create the study as a draft"
        PUBLISH = "publish", "Publish the study"
        PAUSE = "pause", "Pause the study"
        RESUME = "resume", "Resume the study"
        PLACES = "places", "Add places"
        APPROVE = "approve", "Approve a submission"
        REJECT = "reject", "Reject a submission"
        RETURN = "return", "Ask for a submission’s return"
        BONUS = "bonus", "Pay a bonus"
        MESSAGE = "message", "Send a message"
        GROUP = "group", "Put people into a participant group"
        TESTER = "tester", "Make a test participant"
        TEST = "test", "Make a test study"

    class State(models.TextChoices):
        INTENDED = "intended", "waiting for your confirmation"
        SENT = "sent", "sent, not confirmed"
        CONFIRMED = "confirmed", "done"
        REFUSED = "refused", "refused"
        DROPPED = "dropped", "dropped"

    UNRESOLVED = (State.INTENDED, State.SENT)

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="recruitment_actions")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    """Identifies the action, here and, where the service keeps it, there."""
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.INTENDED)
    target = models.CharField(max_length=64, blank=True)
    """Keyed hash of the submission (`Participation.external_key`); empty if it is the study, or
    several submissions, which `content` then has as `targets`."""
    content = models.JSONField(default=dict, blank=True)
    """What exactly is asked: a number of places, an amount, a reason."""
    cost = models.CharField(max_length=60, blank=True)
    """What it costs, with the currency, as the person who confirmed it was told."""
    reference = models.CharField(max_length=64, blank=True)
    """The service's identifier of what was set up or created."""
    outcome = models.CharField(max_length=400, blank=True)
    """Why it was refused, or why it is not known whether it was done."""
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "target"],
                condition=Q(state__in=["intended", "sent"]),
                name="one_unresolved_action_per_target",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["intended", "dropped"]) | Q(sent_at__isnull=False),
                name="what_was_sent_says_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.get_kind_display()}, {self.get_state_display()}"

    @property
    def label(self) -> str:
        """What it is, with the number of submissions if it is about several."""
        count = len(self.content.get("targets") or ())
        return self.get_kind_display() + (f" ({count} submissions)" if count > 1 else "")


class ParticipantGroup(models.Model):
    """A group of people at Prolific that a project here has made. Its people are only there."""

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="participant_groups"
    )
    """The owner; null for a group of a study without a project."""
    name = models.CharField(max_length=100)
    reference = models.CharField(max_length=64)
    """Prolific's identifier of the group."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"], name="one_participant_group_per_project_and_name"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(project=None),
                name="one_participant_group_per_name_without_project",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ListedPerson(models.Model):
    """One person of a list, known only by the keyed hash of a service's identifier."""

    list = models.ForeignKey(PersonList, on_delete=models.CASCADE, related_name="people")
    person_key = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["list", "person_key"], name="one_row_per_listed_person")
        ]

    def __str__(self) -> str:
        return f"{self.list}: {self.person_key[:8]}"
