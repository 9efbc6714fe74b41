"""A study: a frozen, versioned protocol with its conditions, items and stimuli."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from studyapp.models.projects import Project
from studyapp.models.runs import Clip, Feature, Run
from studyapp.models.series import StudySeries
from studyapp.models.steps import default_steps
from studyapp.models.trial_kinds import MOST_CLIPS, TRIAL_KINDS, TrialKind


def default_languages() -> list[str]:
    """A study is in English unless it says otherwise."""
    return ["en"]


def default_quality_rules() -> dict[str, float]:
    """What each means: `exports.flags`."""
    return {"fast_seconds": 2.0, "straight_line": 5}


def default_strata() -> list[str]:
    """Features are drawn from each SAE in proportion to how many it kept."""
    return ["sae"]


class StudyManager(models.Manager["Study"]):
    """Every study but the copies made for previews, whose answers do not count."""

    def get_queryset(self) -> models.QuerySet["Study"]:
        """Without previews."""
        return super().get_queryset().filter(preview_of=None)


class Study(models.Model):
    """A protocol. A draft can change; once frozen it never does: an edit makes the next version."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        FROZEN = "frozen", "frozen"
        OPEN = "open", "open"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"

    UNDER_WAY = (State.OPEN, State.PAUSED)

    class OptionPolicy(models.TextChoices):
        CANDIDATES = "candidates", "the method's own candidates"
        IDENTIFICATION = "identification", "the best candidate among those of other features"
        PAIR = "pair", "two generated sounds: which has more of a label?"
        INTRUDER = "intruder", "four sounds of a feature and one of another: which is it?"

    class Design(models.TextChoices):
        BETWEEN = "between", "one condition per participation"
        WITHIN = "within", "every condition in a participation, each feature once"

    class HeadphoneCheck(models.TextChoices):
        NONE = "none", "none"
        HUGGINS = "huggins", "Huggins pitch"
        ANTIPHASE = "antiphase", "antiphase loudness"
        EITHER = "either", "either: antiphase after a failed Huggins pitch"
        BOTH = "both", "both, one after the other"

    class Selection(models.TextChoices):
        RANDOM = "random", "drawn at random"
        BEST = "best", "the best by a score"
        LIST = "list", "those of a list"

    series = models.ForeignKey(StudySeries, on_delete=models.PROTECT, related_name="studies")
    """The owner of the link. `slug` and `project` are copied from it for lists and exports."""
    slug = models.SlugField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    title = models.CharField(max_length=120)
    """Shown to participants at the top of every page; mentions no method."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    runs = models.ManyToManyField(Run, related_name="studies", blank=True)
    seed = models.PositiveBigIntegerField()
    option_policy = models.CharField(
        max_length=20, choices=OptionPolicy.choices, default=OptionPolicy.CANDIDATES
    )
    """The kind of trial, a name in `trial_kinds.TRIAL_KINDS`; its first kinds differed only in
    their options."""
    contrasts = models.JSONField(default=list, blank=True)
    """For pairs: what is set against what, such as `add@1/plain`; see `studies/contrasts.py`."""
    may_choose_none = models.BooleanField(default=False)
    """Whether a trial has one more answer, which chooses nothing: that none of the labels fits, or
    that there is no difference."""
    design = models.CharField(max_length=10, choices=Design.choices, default=Design.BETWEEN)
    saes = models.JSONField(default=list, blank=True)
    """SAEs of the runs from which features are drawn; all of them if empty."""
    strata = models.JSONField(default=default_strata, blank=True)
    """What the draw of features is stratified by: names from `drawing.STRATA`."""
    selection = models.CharField(max_length=10, choices=Selection.choices, default=Selection.RANDOM)
    """How features are chosen. Only `random` lets results hold for all the run's features."""
    best_by = models.CharField(max_length=130, blank=True)
    """For `best`: `SCORER`, the best score of any method's first label, without controls; or
    `SCORER:METHOD`, the score of that method's first label."""
    listed = models.JSONField(default=list, blank=True)
    """For `list`: `RUN/SAE/INDEX` of its features, as they were when the study was made."""
    list_name = models.CharField(max_length=100, blank=True)
    features_wanted = models.PositiveIntegerField(default=100)
    """Number of features to draw; each becomes one item under every condition."""
    ratings_per_item = models.PositiveIntegerField(default=1)
    trials_per_participation = models.PositiveIntegerField(default=10)
    """Main trials, each of a different feature; catch trials and repeats are extra."""
    catch_trials = models.PositiveSmallIntegerField(default=0)
    """An obvious sound with four absurd options, shown between main trials."""
    repeat_trials = models.PositiveSmallIntegerField(default=0)
    """Main trials that are shown a second time, with their options in another order."""
    quality_rules = models.JSONField(default=default_quality_rules)
    """When an answer or a participation is flagged. A flag excludes nobody and deletes nothing."""
    lease_minutes = models.PositiveIntegerField(default=90)
    """How long an unfinished participation keeps its place without an answer."""
    loudness_lufs = models.FloatField(default=-23.0)
    """Integrated loudness of every stimulus, ITU-R BS.1770, in LUFS."""
    steps = models.JSONField(default=default_steps)
    """Names from `steps.STEPS`, in that order: the pages that a participant goes through."""
    headphone_check = models.CharField(
        max_length=10, choices=HeadphoneCheck.choices, default=HeadphoneCheck.EITHER
    )
    headphones_required = models.BooleanField(default=False)
    """Whether failing the headphone check screens a participant out or is only recorded."""
    show_waveform = models.BooleanField(default=False)
    """Whether the players draw the outline of their sounds. Its loudness can then be seen, and a
    name such as "growing louder" be chosen without listening."""
    hear_before_choosing = models.PositiveSmallIntegerField(default=0)
    """Seconds of each of a trial's sounds to be heard before a label can be chosen; of a shorter
    sound, all of it. An answer is saved only after all were heard to the end, whatever this is."""
    most_plays = models.PositiveSmallIntegerField(default=0)
    """How often each sound of a trial can be begun; 0: as often as people like."""
    from_start = models.BooleanField(default=False)
    """Whether each play begins at the start: no position can be chosen, and a pause goes back."""
    watch_machines = models.BooleanField(default=False)
    """Whether pages report how they are used, without content, and two questions are asked that
    only listening answers, so that programs among the listeners can be flagged."""
    practice_trials = models.PositiveSmallIntegerField(default=2)
    check_sounds = models.JSONField(default=dict, blank=True)
    """Written by `studies.services.check_sounds`: files and right answers."""
    languages = models.JSONField(default=default_languages)
    """Codes from `settings.LANGUAGES`. The columns hold the texts in the first, `texts` those
    in the others."""
    texts = models.JSONField(default=dict, blank=True)
    """Further language → {"title", "consent_text", "instructions_text", "debrief_text"}."""
    consent_text = models.TextField()
    """Markdown, like the other texts."""
    instructions_text = models.TextField()
    debrief_text = models.TextField(blank=True)
    """Explains what the study was about; shown with the completion code."""
    questions = models.JSONField(default=dict, blank=True)
    """How musical training is asked: {"musical_training": "own" or "gold-msi", "wording":
    {language: {item number: text}}}; empty for our own questions."""
    own_questions = models.JSONField(default=list, blank=True)
    """The researcher's own questions, as `studies.own_questions` describes them."""
    codes = models.JSONField(default=dict, blank=True)
    """Fixed codes set up at a recruiting service, by ending: `complete`, `screened_out`,
    `no_consent`, `incompatible_device`; without one, each participation gets its own. Also `full`,
    `closed`, `timed_out`; without one, there is no code."""
    rehearsal = models.BooleanField(default=False)
    """Whether this only rehearses a study: simulated listeners may take part, and they count on its
    pages like people. Otherwise only people count."""
    contact = models.CharField(max_length=200, blank=True)
    ethics_approval = models.CharField(max_length=100, blank=True)
    institution = models.CharField(max_length=200, blank=True)
    """Who runs the study; like the next two, a fact that the consent page lists."""
    compensation = models.CharField(max_length=200, blank=True)
    """What participants get, in words; if empty, the page shows the recruitment's payment."""
    retention = models.CharField(max_length=500, blank=True)
    """How long the data are kept, where, and when they are deleted."""
    exclusion_rules = models.JSONField(default=dict, blank=True)
    analysis_plan = models.JSONField(default=dict, blank=True)
    left_out = models.JSONField(default=dict, blank=True)
    """Why features were not eligible, counted by reason."""
    design_hash = models.CharField(max_length=64, blank=True)
    """SHA-256 over everything that `services/design.py` lists; empty until the study is frozen."""
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.PROTECT, related_name="studies"
    )
    """The owner; null for a study made on the command line, which only administrators can use."""
    added_places = models.PositiveIntegerField(default=0)
    """Places added while the study was under way: between participants, in each condition that is
    on; within participants, in all. Recorded as a `Deviation`."""
    unblinded_at = models.DateTimeField(null=True, blank=True)
    """When somebody asked to see answers by method before the study was closed."""
    preview_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """The study of which this is a preview copy; its answers do not count."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    """When it was opened last, also after a pause."""
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = StudyManager()
    with_previews: models.Manager["Study"] = models.Manager()
    """For the pages of participants, which a preview walks through."""

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["slug", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "version"], name="one_study_per_series_and_version"
            ),
            # A participant's link names no version, so only one can take participants.
            models.UniqueConstraint(
                fields=["series"], condition=Q(state="open"), name="one_open_version_per_series"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"

    @property
    def kind(self) -> TrialKind:
        """What its trials are."""
        return TRIAL_KINDS[self.option_policy]


class Condition(models.Model):
    """A level of the study's factor: one labelling method."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="conditions")
    method = models.CharField(max_length=60)
    off_at = models.DateTimeField(null=True, blank=True)
    """When it was switched off: it gets no new participants since. Recorded as a `Deviation`."""
    places_kept = models.PositiveIntegerField(default=0)
    """Places that were held in it when it was switched off; they still count."""

    class Meta:
        ordering = ["study", "method"]
        constraints = [
            models.UniqueConstraint(fields=["study", "method"], name="one_condition_per_method")
        ]

    def __str__(self) -> str:
        return f"{self.study}: {self.method}"


class Stimulus(models.Model):
    """A clip as participants hear it: matched in loudness, without tags, in one encoding."""

    sha256 = models.CharField(max_length=64)
    clip = models.ForeignKey(
        Clip, null=True, blank=True, on_delete=models.CASCADE, related_name="stimuli"
    )
    """The clip that it was cut from; null for a synthesised sound (practice, catch)."""
    path = models.CharField(max_length=500)
    """Path relative to `EARWITNESS_DATA`."""
    seconds = models.FloatField()
    loudness_lufs = models.FloatField()
    """Measured on the stored bytes, LUFS."""
    peaks = models.JSONField(default=list)
    """Waveform outline for the player: one number per bar, 0 to 100, the loudest being 100."""

    class Meta:
        verbose_name_plural = "stimuli"
        constraints = [
            # Two runs over one corpus share audio, so the same bytes can come from two clips.
            models.UniqueConstraint(
                fields=["clip", "sha256"], name="one_stimulus_per_clip_and_hash"
            ),
            models.UniqueConstraint(
                fields=["sha256"],
                condition=Q(clip=None),
                name="one_synthesised_stimulus_per_hash",
            ),
        ]

    def __str__(self) -> str:
        return self.sha256[:12]

    @property
    def tags(self) -> list[str]:
        """The tags of the recording; none for a synthesised sound."""
        return list(self.clip.tags) if self.clip else []


STIMULI = tuple(f"stimulus_{number}" for number in range(1, MOST_CLIPS + 1))
"""The columns of an item that hold its sounds."""


class Item(models.Model):
    """A feature under a condition, with its stimuli and its options.

    Where a sound is chosen, there are no options, and `target` is an index in the stimuli.
    Practice and catch items have synthesised sounds and a right answer but no feature and no
    condition; they are the same for everybody.
    """

    class Role(models.TextChoices):
        MAIN = "main", "main"
        PRACTICE = "practice", "practice"
        CATCH = "catch", "catch"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="items")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MAIN)
    condition = models.ForeignKey(
        Condition, null=True, blank=True, on_delete=models.CASCADE, related_name="items"
    )
    feature = models.ForeignKey(
        Feature, null=True, blank=True, on_delete=models.PROTECT, related_name="items"
    )
    target = models.PositiveSmallIntegerField(null=True, blank=True)
    """Index in `options` of the right answer, if there is one."""
    variant = models.CharField(max_length=120, blank=True)
    """For pairs: the contrast, one of the study's."""
    prompt = models.CharField(max_length=300, blank=True)
    """The label that is asked about, where an item asks about one."""
    steering_seed = models.BigIntegerField(null=True, blank=True)
    """The seed that both sounds of a pair were generated with."""
    sounds = models.JSONField(default=list, blank=True)
    """What each stimulus is, where they differ: `{"role", "intervention", "strength"}`, and `clap`
    of intruder trials (`runs.services.alike`)."""
    identifier = models.CharField(max_length=40)
    """Unique within the study, such as `i0042`; `item` in every export."""
    stimulus_1 = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    stimulus_2 = models.ForeignKey(Stimulus, on_delete=models.PROTECT, related_name="+")
    stimulus_3 = models.ForeignKey(
        Stimulus, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    stimulus_4 = models.ForeignKey(
        Stimulus, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    stimulus_5 = models.ForeignKey(
        Stimulus, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    options = models.JSONField(default=list, blank=True)
    """Five of `{"text", "source", "rank"}`: `source` is the method or `feature:SAE/INDEX`, `rank`
    the method's own rank of the text, null for a label from another feature. Stored in the
    method's order, shown in the trial's."""

    class Meta:
        ordering = ["study", "identifier"]
        constraints = [
            models.UniqueConstraint(
                fields=["condition", "feature", "variant"], name="one_item_per_cell"
            ),
            models.UniqueConstraint(fields=["study", "identifier"], name="one_item_per_identifier"),
            models.CheckConstraint(
                condition=~Q(role="main") | Q(condition__isnull=False, feature__isnull=False),
                name="a_main_item_has_feature_and_condition",
            ),
            models.CheckConstraint(
                condition=Q(role="main") | Q(target__isnull=False),
                name="practice_and_catch_have_a_right_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study} {self.identifier}"

    @property
    def stimuli(self) -> tuple[Stimulus, ...]:
        """Its stimuli, as many as a trial of its kind has."""
        return tuple(found for name in STIMULI if (found := getattr(self, name)) is not None)
