"""Jobs for the workers. The database row is authoritative; the broker only notifies."""

from django.db import models
from django.db.models import Q


class Job(models.Model):
    """One piece of work: which queue it waits in, which worker has it, and how it ended."""

    class Queue(models.TextChoices):
        CPU = "cpu", "cpu"
        GPU = "gpu", "gpu"
        API = "api", "api"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        STOPPED = "stopped", "stopped"

    UNFINISHED = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=30)
    """Key of `studyapp.jobs.tasks.WORK`."""
    target = models.PositiveBigIntegerField()
    """Number of the row that the work is about."""
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="pieces"
    )
    """The job that this one is a piece of; it waits until all its pieces have ended."""
    piece = models.CharField(max_length=150, blank=True)
    """Which piece: `STAGE/NAME`."""
    queue = models.CharField(max_length=5, choices=Queue.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    fence = models.PositiveBigIntegerField(default=0)
    """Grows with every claim; a worker with an older number may no longer write anything."""
    attempts = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    """Workers that died on the current piece of the job; see `jobs.services.jobs.MAX_LOSSES`."""
    deferrals = models.PositiveIntegerField(default=0)
    """How many times in a row it was put back because something blocked it."""
    not_before = models.DateTimeField(null=True, blank=True)
    """It is not claimed before this time."""
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    """Renewed by the worker's heartbeat; once it has passed, any worker may claim the job."""
    worker = models.CharField(max_length=100, blank=True)
    """Machine and process that claimed it last, as `jobs.services.processes.name` gives them."""
    error = models.TextField(blank=True)
    """The one line that says why it failed."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "target", "piece"],
                condition=Q(state__in=("waiting", "running")),
                name="one_unfinished_job_per_kind_and_target",
            )
        ]
        indexes = [
            models.Index(fields=["state", "lease_expires_at"], name="jobs_to_sweep"),
            # Pages ask for the newest job of a row; finished jobs are many.
            models.Index(fields=["kind", "target"], name="jobs_of_a_row"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target} {self.piece}".rstrip()
