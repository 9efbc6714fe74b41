"""What participants do: participations, trials, responses, events."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from studyapp.models.recruitment import EntryToken
from studyapp.models.runs import Feature
from studyapp.models.studies import Condition, Item, Study


class Participation(models.Model):
    """One pseudonymous participant taking part in one study, once."""

    class Status(models.TextChoices):
        ACTIVE = "active", "active"
        COMPLETE = "complete", "complete"
        REFUSED = "refused", "refused"
        SCREENED_OUT = "screened_out", "screened out"
        RETURNED = "returned", "returned"
        TIMED_OUT = "timed_out", "timed out"
        WITHDRAWN = "withdrawn", "withdrawn"

    class Screening(models.TextChoices):
        DEVICE = "device", "the browser cannot play the sounds"
        HEADPHONES = "headphones", "the headphone check was failed"

    class Submission(models.TextChoices):
        VERIFIED = "verified", "known to the service"
        UNVERIFIED = "unverified", "the service could not be asked"
        UNKNOWN = "unknown", "not known to the service"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="participations")
    condition = models.ForeignKey(
        Condition, null=True, blank=True, on_delete=models.PROTECT, related_name="participations"
    )
    """Drawn with the trials when the participant consents; null if every participant has all
    conditions."""
    identifier = models.CharField(max_length=20, unique=True)
    """Random pseudonym in the participant's cookie; exports show a keyed hash of it."""
    external_key = models.CharField(max_length=64, blank=True)
    """Keyed hash of PROLIFIC_PID and SESSION_ID, which are not stored; empty for a generic link."""
    person_key = models.CharField(max_length=64, blank=True)
    """Keyed hash of PROLIFIC_PID only: one person takes part once, whatever the SESSION_ID."""
    submission = models.CharField(max_length=12, choices=Submission.choices, blank=True)
    """What the recruiting service says about the submission; empty if it was never asked."""
    entry = models.ForeignKey(
        EntryToken, null=True, blank=True, on_delete=models.PROTECT, related_name="participations"
    )
    """The token with which the participant entered, if the study needs one."""
    address_key = models.CharField(max_length=64, blank=True)
    """Keyed hash of the IP address at the beginning; deleted after a day, and in no export."""
    status = models.CharField(max_length=15, choices=Status.choices, default=Status.ACTIVE)
    simulated = models.BooleanField(default=False)
    seed = models.PositiveBigIntegerField()
    algorithm = models.CharField(max_length=20)
    """Version of the assignment algorithm that drew the trials from the seed."""
    draw = models.JSONField(default=dict, blank=True)
    """The counts that the draw used: places and ratings held at that moment. Together with seed and
    algorithm they rebuild the trials (`manage.py replay`)."""
    assigned_at = models.DateTimeField(null=True, blank=True)
    """When the participation got its place and trials; empty before consent."""
    completion_code = models.CharField(max_length=20, blank=True)
    """Made in the transaction that commits the last answer; empty before."""
    ending_code = models.CharField(max_length=20, blank=True)
    """For participants who refused or were screened out; made in the transaction that ended it."""
    screened_for = models.CharField(max_length=20, choices=Screening.choices, blank=True)
    """Why the participation was screened out; empty otherwise."""
    language = models.CharField(max_length=10, default="en")
    """Of the pages; one of the study's languages."""
    device = models.JSONField(default=dict, blank=True)
    """Coarse, as `participation.services.browsers` describes it: `browser`, `version`, `system`,
    `touch`, `viewport`. Written with the consent, whose page lists it."""
    consent_version = models.CharField(max_length=64, blank=True)
    """SHA-256 of the consent text that was accepted, in the language in which it was shown."""
    created_at = models.DateTimeField(auto_now_add=True)
    consented_at = models.DateTimeField(null=True, blank=True)
    instructed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    """Until then an unfinished participation keeps its place in the quota."""
    counted_as_held = models.BooleanField(null=True, blank=True)
    """Whether the study's `Tally` counts it as holding a place; empty if it is not counted."""
    tallied = models.BooleanField(default=False)
    """Whether it has ended and is counted for good."""

    class Meta:
        ordering = ["study", "created_at"]
        indexes = [
            models.Index(
                fields=["study", "address_key", "created_at"],
                condition=~Q(address_key=""),
                name="participations_by_address",
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(consented_at=None, status="active"),
                name="never_consented",
            ),
            models.Index(
                fields=["lease_expires_at"],
                condition=Q(status="active"),
                name="active_by_lease",
            ),
            models.Index(
                # All that decides whether the tally is right: the rows need not be read.
                fields=["study", "simulated", "status", "lease_expires_at", "counted_as_held"],
                condition=Q(tallied=False, assigned_at__isnull=False),
                name="placed_and_may_change",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "external_key"],
                condition=~Q(external_key=""),
                name="one_participation_per_external_key",
            ),
            models.UniqueConstraint(
                fields=["study", "person_key"],
                condition=~Q(person_key=""),
                name="one_participation_per_person",
            ),
            models.CheckConstraint(
                condition=Q(status="complete") | Q(completion_code=""),
                name="no_code_before_completion",
            ),
        ]

    def __str__(self) -> str:
        return self.identifier


class Tally(models.Model):
    """A study's counts of places and ratings, on which every new participant's draw depends.

    Each participation is counted when it gets its place, and again when it loses it or gets it
    back (`participation.services.tallies`).
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="tallies")
    simulated = models.BooleanField()
    """People and simulated listeners are counted separately."""
    places = models.PositiveIntegerField(default=0)
    """Participations that hold a place."""
    by_method = models.JSONField(default=dict)
    """The same for each condition: method → participations."""
    ratings = models.JSONField(default=dict)
    """Main item → [its main trials that hold a place, its main trials that lost theirs]."""

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["study", "simulated"], name="one_tally_of_people_and_one_of_simulated"
            )
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.places} places held"


class StepRecord(models.Model):
    """What happened in a step other than consent, instructions and trials.

    `data` also holds what the participant must not know, such as which of three tones is the
    target; it never reaches a page.
    """

    participation = models.ForeignKey(
        Participation, on_delete=models.CASCADE, related_name="steps_taken"
    )
    step = models.CharField(max_length=40)
    """A name from `steps.STEPS`, or `feedback-N` for the feedback on practice trial N."""
    data = models.JSONField(default=dict, blank=True)
    begun_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["participation", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "step"], name="one_record_per_participation_and_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participation} {self.step}"


class Trial(models.Model):
    """One item shown in one participation, with the order of its options."""

    class Kind(models.TextChoices):
        MAIN = "main", "main"
        PRACTICE = "practice", "practice"
        CATCH = "catch", "catch"
        REPEAT = "repeat", "repeat"

    participation = models.ForeignKey(
        Participation, on_delete=models.CASCADE, related_name="trials"
    )
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="trials")
    feature = models.ForeignKey(
        Feature, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    """The item's feature, in a main trial, so that a constraint can keep it from coming twice."""
    number = models.PositiveSmallIntegerField()
    """Counted from 1, in the order shown."""
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MAIN)
    repeat_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE)
    token = models.CharField(max_length=32, unique=True)
    """Opaque name of the trial in pages and URLs."""
    key = models.CharField(max_length=32)
    """Opaque idempotency key that is sent with the answer."""
    option_order = models.JSONField()
    """Indices into the item's options, or into its stimuli where a sound is chosen: position 1
    shows `options[option_order[0]]`."""
    shown_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["participation", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "number"], name="one_trial_per_number"
            ),
            models.UniqueConstraint(
                fields=["participation", "item"],
                condition=~Q(kind="repeat"),
                name="an_item_at_most_once_per_participation",
            ),
            models.UniqueConstraint(
                fields=["participation", "feature"],
                condition=Q(kind="main"),
                name="a_feature_at_most_once_per_participation",
            ),
            models.CheckConstraint(
                condition=Q(kind="repeat", repeat_of__isnull=False)
                | (~Q(kind="repeat") & Q(repeat_of=None)),
                name="a_repeat_says_what_it_repeats",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participation} trial {self.number}"


CONFIDENCE = (
    (5, gettext_noop("Completely confident")),
    (4, gettext_noop("Fairly confident")),
    (3, gettext_noop("Somewhat confident")),
    (2, gettext_noop("Slightly confident")),
    (1, gettext_noop("Not confident at all")),
)
"""The scale of an answer: value and wording, strongest first, in this order on every page."""


class Response(models.Model):
    """The answer to a trial: exactly one, even if it is sent several times."""

    trial = models.OneToOneField(Trial, on_delete=models.CASCADE, related_name="response")

    class Answer(models.TextChoices):
        CHOSEN = "chosen", "chosen"
        NONE_OF_THESE = "none_of_these", "none of these fits"
        NO_DIFFERENCE = "no_difference", "no difference"

    answer = models.CharField(max_length=20, choices=Answer.choices, default=Answer.CHOSEN)
    choice = models.PositiveSmallIntegerField(null=True, blank=True)
    """Position chosen, 1–5, in the order shown; null if nothing was chosen."""
    confidence = models.PositiveSmallIntegerField()
    """A value of `CONFIDENCE`."""
    free_text = models.TextField(blank=True, max_length=500)
    response_ms = models.PositiveBigIntegerField()
    """From when the trial was first shown to its answer, by the server's clock."""
    answered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(answer="chosen", choice__gte=1, choice__lte=5)
                | (~Q(answer="chosen") & Q(choice=None)),
                name="choice_is_1_to_5_or_none",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=1, confidence__lte=5), name="confidence_is_1_to_5"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trial}: {self.choice or self.answer}, confidence {self.confidence}"


class Event(models.Model):
    """An append-only record of what happened on a participant's page."""

    class Type(models.TextChoices):
        SHOWN = "shown", "shown"
        PLAY = "play", "play"
        PAUSE = "pause", "pause"
        SEEK = "seek", "seek"
        HEARD = "heard", "heard"
        ENDED = "ended", "ended"
        HIDDEN = "hidden", "hidden"
        VISIBLE = "visible", "visible"
        FIRST_INTERACTION = "first_interaction", "first interaction"
        ERROR = "error", "error"
        # How the page was used, only in studies that `watch_machines`; nothing of any content.
        PASTE = "paste", "text pasted"
        KEYS = "keys", "keys pressed in the text"
        KEY_INTERVAL = "key_interval", "median time between keys"
        KEY_SPREAD = "key_spread", "interquartile range of the times between keys"
        POINTER = "pointer", "movements of the pointer"
        PRESSES = "presses", "presses of the pointer"
        BLUR = "blur", "focus lost"
        FOCUS = "focus", "focus gained"

    WATCHED = (
        Type.PASTE, Type.KEYS, Type.KEY_INTERVAL, Type.KEY_SPREAD, Type.POINTER, Type.PRESSES,
        Type.BLUR, Type.FOCUS,
    )  # fmt: skip
    """What only studies that `watch_machines` record."""

    participation = models.ForeignKey(
        Participation, on_delete=models.CASCADE, related_name="events"
    )
    trial = models.ForeignKey(
        Trial, null=True, blank=True, on_delete=models.CASCADE, related_name="events"
    )
    type = models.CharField(max_length=20, choices=Type.choices)
    clip = models.PositiveSmallIntegerField(null=True, blank=True)
    """1 to 5, if the event concerns a clip."""
    at_ms = models.PositiveBigIntegerField()
    """Milliseconds since the page was opened, by the page's monotonic clock."""
    value = models.PositiveBigIntegerField(null=True, blank=True)
    """`heard`: milliseconds of sound since the last such event; `visible`: milliseconds hidden;
    `paste`: characters; `keys`, `pointer`, `presses`: how many; `key_…`: milliseconds."""
    sequence = models.CharField(max_length=40)
    """Opaque, made by the page, so that an event that is sent twice is stored once."""
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["participation", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["participation", "sequence"], name="one_event_per_sequence"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participation} {self.type}"
