"""A study: a frozen, versioned protocol with its conditions, items and stimuli."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from studyapp.models.runs import Clip, Feature, Run


class Study(models.Model):
    """A protocol. A draft may change; what is frozen never does: an edit makes the next version."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        FROZEN = "frozen", "frozen"
        OPEN = "open", "open"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"

    class OptionPolicy(models.TextChoices):
        CANDIDATES = "candidates", "the method's own candidates"

    slug = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=120)
    """What a participant reads at the top; says nothing of methods."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    runs = models.ManyToManyField(Run, related_name="studies", blank=True)
    seed = models.PositiveBigIntegerField()
    option_policy = models.CharField(
        max_length=20, choices=OptionPolicy.choices, default=OptionPolicy.CANDIDATES
    )
    features_wanted = models.PositiveIntegerField(default=100)
    """How many features are drawn; each becomes one item under every condition."""
    ratings_per_item = models.PositiveIntegerField(default=1)
    trials_per_participation = models.PositiveIntegerField(default=10)
    lease_minutes = models.PositiveIntegerField(default=90)
    """How long an unfinished participation holds its place."""
    loudness_lufs = models.FloatField(default=-23.0)
    """Integrated loudness of every stimulus, ITU-R BS.1770, in LUFS."""
    consent_text = models.TextField()
    instructions_text = models.TextField()
    contact = models.CharField(max_length=200, blank=True)
    ethics_approval = models.CharField(max_length=100, blank=True)
    exclusion_rules = models.JSONField(default=dict, blank=True)
    analysis_plan = models.JSONField(default=dict, blank=True)
    left_out = models.JSONField(default=dict, blank=True)
    """Why features were not eligible, with counts."""
    design_hash = models.CharField(max_length=64, blank=True)
    """SHA-256 over design, items, texts, exclusion rules and analysis plan; empty while a draft."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    frozen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["slug", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["slug", "version"], name="one_study_per_slug_and_version"
            ),
            # A participant's link names the slug alone, so only one version can take participants.
            models.UniqueConstraint(
                fields=["slug"], condition=Q(state="open"), name="one_open_version_per_slug"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"


class Condition(models.Model):
    """A level of the study's factor: one method."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="conditions")
    method = models.CharField(max_length=60)

    class Meta:
        ordering = ["study", "method"]
        constraints = [
            models.UniqueConstraint(fields=["study", "method"], name="one_condition_per_method")
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.method}"


class Stimulus(models.Model):
    """A clip as a participant hears it: loudness-matched, stripped of tags, one encoding."""

    sha256 = models.CharField(max_length=64)
    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="stimuli")
    path = models.CharField(max_length=500)
    """Path counted from `EARWITNESS_DATA`."""
    seconds = models.FloatField()
    loudness_lufs = models.FloatField()
    """Measured on the stored bytes, LUFS."""
    peaks = models.JSONField(default=list)
    """Waveform outline for the player: 0–100, one number a bar, scaled to its own largest."""

    class Meta:
        verbose_name_plural = "stimuli"
        constraints = [
            # Two runs over one corpus share audio, so the same bytes can come from two clips.
            models.UniqueConstraint(
                fields=["clip", "sha256"], name="one_stimulus_per_clip_and_hash"
            )
        ]

    def __str__(self) -> str:
        return self.sha256[:12]


class Item(models.Model):
    """A feature under a condition, with its three stimuli and its five options."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="items")
    condition = models.ForeignKey(Condition, on_delete=models.CASCADE, related_name="items")
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="items")
    identifier = models.CharField(max_length=40)
    """Stable text identifier within the study, e.g. `i0042`; the `item` of every export."""
    stimulus_1 = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    stimulus_2 = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    stimulus_3 = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    options = models.JSONField()
    """Five of `{"text", "source", "rank"}`: `source` is the method or `feature:SAE/INDEX`, `rank`
    the method's own rank of the text, null for a label from another feature. Stored in the
    method's order, shown in the trial's."""

    class Meta:
        ordering = ["study", "identifier"]
        constraints = [
            models.UniqueConstraint(fields=["condition", "feature"], name="one_item_per_cell"),
            models.UniqueConstraint(fields=["study", "identifier"], name="one_item_per_identifier"),
        ]

    def __str__(self) -> str:
        return f"{self.study} {self.identifier}"

    @property
    def stimuli(self) -> tuple[Stimulus, Stimulus, Stimulus]:
        """The three stimuli in the order in which they are shown."""
        return (self.stimulus_1, self.stimulus_2, self.stimulus_3)
