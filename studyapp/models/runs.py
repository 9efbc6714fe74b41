"""A run and what a study needs of it: stages, features, exemplars, labels.

The run's directory remains the source; these rows are its index, made by `runs/services` once the
run is done.
"""

from django.conf import settings
from django.db import models

from studyapp.models.projects import Project

CONTROLS = frozenset({"random-label"})
"""Methods that label without listening. `pipeline.labelers` says the same about its registry; a
test compares them, since only two rooms of the site may import the pipeline."""


def is_control(method: str) -> bool:
    """Whether `METHOD` or `METHOD@VARIANT` is a control."""
    return method.partition("@")[0] in CONTROLS


class Run(models.Model):
    """One execution of the pipeline under one frozen config: a directory and this row."""

    class State(models.TextChoices):
        NEW = "new", "new"
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped"

    UNDER_WAY = (State.QUEUED, State.RUNNING)

    class Origin(models.TextChoices):
        SITE = "site", "site"
        COMMAND = "command", "command line"
        IMPORT = "import", "import"
        ITEMS = "items", "table of items"

    ELSEWHERE = (Origin.IMPORT, Origin.ITEMS)

    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.SITE)
    """Where it was made: on a page, by a command on this machine, or on another machine. Only the
    first is limited to what the administrator offers. What was made elsewhere is never executed; a
    table of items has features, clips and labels, but no stage and no config."""
    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.PROTECT, related_name="runs"
    )
    """The owner; null for a run of the command line, which only administrators can use."""
    name = models.CharField(max_length=100, unique=True)
    identifier = models.CharField(max_length=12, blank=True, db_index=True)
    """First twelve characters of the run's key, `run` in every export; empty until it begins."""
    directory = models.CharField(max_length=500, unique=True)
    """Path of the run directory, absolute or relative to `EARWITNESS_DATA`. A run made here has its
    own, `runs/UUID`, which does not depend on its name."""
    remote = models.CharField(max_length=500, blank=True)
    """The URL of the store that has the run's files; the directory then holds copies. Empty: the
    directory has them."""
    config = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    error = models.TextField(blank=True)
    """The one line that says why the run failed."""
    facets = models.JSONField(default=dict, blank=True)
    """What features can be filtered by, stored when the run is indexed: `saes`, `layers`,
    `methods`, `scorers`, the number of `features`, how many are `scored` and `compared` (have an
    agreement), and the `scorer` of the scores."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Progress(models.Model):
    """How far a worker is, written by it and read by pages."""

    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    unit = models.CharField(max_length=30, blank=True)
    note = models.CharField(max_length=300, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    """When the work that `done` counts began."""
    lines = models.JSONField(default=list, blank=True)
    """The last lines of the log: [time, text]."""

    class Meta:
        abstract = True

    @property
    def title(self) -> str:
        """What the work is called where nothing else is said."""
        return ""

    @property
    def throughput(self) -> float | None:
        """Steps per second of the current work; None before its first step."""
        if not self.started_at or not self.heartbeat_at or not self.done:
            return None
        seconds = (self.heartbeat_at - self.started_at).total_seconds()
        return self.done / seconds if seconds > 0.2 else None

    @property
    def seconds_left(self) -> float | None:
        """At the current speed; None if it is unknown."""
        speed = self.throughput
        return (self.total - self.done) / speed if speed and self.total else None


class StageRecord(Progress):
    """The progress of one stage of one run, written by the worker, read by the run's page."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=30)
    order = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    summary = models.JSONField(default=dict, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    follows: list[str]
    """Finished stages after this one; set only by the selector of the run's page."""

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["run", "stage"], name="one_record_per_stage")
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.stage}"

    @property
    def title(self) -> str:
        """The stage."""
        return self.stage


class SteeringEvaluation(Progress):
    """The newest evaluation of steering that was asked for on a run's page: its settings, and how
    far it is. Its results are in the run's files."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="steering_evaluation")
    features = models.PositiveIntegerField()
    """Kept features per SAE that are drawn."""
    seeds = models.PositiveSmallIntegerField()
    seconds = models.FloatField()
    """Length of a clip."""
    interventions = models.JSONField()
    clip_seconds = models.FloatField(null=True, blank=True)
    """Measured: seconds of work per second of music that is generated and heard."""

    def __str__(self) -> str:
        return f"{self.run}: evaluation of steering"


class StageFindings(models.Model):
    """What a finished stage found, in figures that are small enough for the run's page.

    Made by a worker from the run's files (`pipeline/viewing/findings.py`). Not a column of the
    stage's row, which lists and estimates read and which is made again whenever a run is queued.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="findings")
    stage = models.CharField(max_length=30)
    data = models.JSONField()
    """The figures; only `fault`, one line, if the files did not give them."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "stage"], name="one_finding_per_stage")
        ]

    def __str__(self) -> str:
        return f"{self.run}: findings of {self.stage}"


class Clip(models.Model):
    """A stored excerpt of a track: the audio of an exemplar."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="clips")
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=500)
    """Path relative to the run directory."""
    track = models.CharField(max_length=200)
    start_seconds = models.FloatField()
    seconds = models.FloatField()
    tags = models.JSONField(default=list, blank=True)
    """The corpus's tags of the track; to simulated listeners, what the clip sounds like."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "sha256"], name="one_clip_per_hash")]

    def __str__(self) -> str:
        return self.sha256[:12]


class Feature(models.Model):
    """One kept dictionary direction of one SAE of one run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="features")
    identifier = models.CharField(max_length=100)
    """`SAE/INDEX`, as in the run's Parquet files."""
    sae = models.CharField(max_length=80)
    hookpoint = models.CharField(max_length=80)
    index = models.PositiveIntegerField()
    rate = models.FloatField()
    """Share of validation tracks in which the feature fires, 0 to 1."""
    mean_activation = models.FloatField()
    max_activation = models.FloatField()
    neighbours = models.JSONField(default=list, blank=True)
    """Identifiers of the kept features nearest by decoder cosine, nearest first."""
    layer = models.PositiveSmallIntegerField(default=0)
    """Block of the hookpoint, counted from 0."""
    score = models.FloatField(null=True, blank=True)
    """Best score of any method's best label, without controls, by the scorer that the run's facets
    name; null if none was scored."""
    score_method = models.CharField(max_length=60, blank=True)
    """The method whose score that is."""
    agreement = models.FloatField(null=True, blank=True)
    """How far the methods' labels share words, 0 to 1, without controls; null with fewer than two
    methods."""
    label_text = models.TextField(blank=True)
    """The texts of all labels but controls', folded, for searching."""

    class Meta:
        ordering = ["run", "sae", "index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "identifier"], name="one_feature_per_identifier")
        ]
        # The browser pages by (value, key) within a run: each order reads along an index.
        indexes = [
            models.Index(fields=["run", "id"], name="features_by_place"),
            # A search in one SAE or layer does not read the others.
            models.Index(fields=["run", "sae", "id"], name="features_by_sae"),
            models.Index(fields=["run", "layer", "id"], name="features_by_layer"),
            models.Index(fields=["run", "rate", "id"], name="features_by_rate"),
            models.Index(fields=["run", "max_activation", "id"], name="features_by_strength"),
            models.Index(fields=["run", "score", "id"], name="features_by_score"),
            models.Index(fields=["run", "agreement", "id"], name="features_by_agreement"),
        ]

    def __str__(self) -> str:
        return self.identifier

    @property
    def percent(self) -> float:
        """The rate in per cent."""
        return self.rate * 100


class Exemplar(models.Model):
    """A strongly activating clip of a feature; rank 1 is the strongest."""

    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="exemplars")
    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="exemplars")
    rank = models.PositiveSmallIntegerField()
    mean_activation = models.FloatField()
    peak_seconds = models.FloatField()

    class Meta:
        ordering = ["feature", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["feature", "rank"], name="one_exemplar_per_rank")
        ]

    def __str__(self) -> str:
        return f"{self.feature} #{self.rank}"


class SteeredClip(models.Model):
    """A clip that was generated with an intervention on a feature, and the same clip without.

    The rows of `steering/SAE.parquet`, which `python -m pipeline steer` writes after the run.
    """

    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="steered")
    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="+")
    plain = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="+")
    intervention = models.CharField(max_length=60)
    strength = models.FloatField()
    """α."""
    seed = models.BigIntegerField()
    prompt = models.TextField(blank=True)
    """The text that it was generated from."""

    class Meta:
        ordering = ["feature", "intervention", "strength", "seed"]
        constraints = [
            models.UniqueConstraint(
                fields=["feature", "intervention", "strength", "seed"],
                name="one_steered_clip_per_dose_and_seed",
            )
        ]

    def __str__(self) -> str:
        return f"{self.feature} {self.intervention}@{self.strength:g}, seed {self.seed}"


class LabelCandidate(models.Model):
    """One text from one method for one feature; rank 1 is the method's best."""

    class Status(models.TextChoices):
        OK = "ok", "ok"
        FAILED = "failed", "failed"

    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="labels")
    method = models.CharField(max_length=60)
    rank = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=300, blank=True)
    confidence = models.FloatField(null=True, blank=True)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OK)
    reason = models.CharField(max_length=300, blank=True)
    name = models.CharField(max_length=300, blank=True)
    """Shared by near-synonyms over all features and methods of a run; empty in older runs."""
    scores = models.JSONField(default=dict, blank=True)
    """Scorer → score, where the scorer gave one."""

    class Meta:
        ordering = ["feature", "method", "rank"]
        constraints = [
            models.UniqueConstraint(
                fields=["feature", "method", "rank"], name="one_label_per_method_and_rank"
            )
        ]

    def __str__(self) -> str:
        return f"{self.feature} {self.method} #{self.rank}: {self.text}"


class JoinedRuns(models.Model):
    """The runs of a project that were last joined into the paper's tables."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="joined")
    runs = models.ManyToManyField(Run, related_name="+")

    def __str__(self) -> str:
        return f"runs of {self.project} that were joined"
