"""Celery tasks: an id in, a service called, the outcome in a row."""

from studyapp.celery import app
from studyapp.models import Run
from studyapp.services import runs


@app.task(name=runs.RUN_TASK)
def run_pipeline(run_id: int) -> None:
    """Execute the run with this id. A second delivery finds the run claimed and does nothing."""
    run = Run.objects.filter(pk=run_id).first()
    if run is not None:
        runs.run_pipeline(run=run)
