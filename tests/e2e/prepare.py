"""Prepares rows in another data folder: run as its own process, with that folder's environment.

python -m tests.e2e.prepare study SLUG [RATINGS]   an open study of 12 features, sounds of 0.5 s
python -m tests.e2e.prepare place SLUG   a participant at the first trial; prints cookie and sound
python -m tests.e2e.prepare token SLUG   the study closed; prints a token that reads its tables
python -m tests.e2e.prepare run FILE     a run under the config in FILE (JSON), queued
python -m tests.e2e.prepare again STAGE [NAME]   a copy of the run `tiny`, done up to STAGE, queued
python -m tests.e2e.prepare login        the machine's researcher; prints name and password
"""

import json
import sys
from pathlib import Path


def study(slug: str, ratings: str = "5") -> None:
    """Twelve features under two methods, five trials per participation; by default room for 24."""
    from tests.studyapp.factories import make_features, make_run, make_study

    run = make_run(clips=12, seconds=0.5)
    make_features(run, count=12)
    made = make_study(
        run=run, slug=slug, features=12, ratings_per_item=int(ratings), trials_per_participation=5
    )
    sys.stdout.write(made.state)


def place(slug: str) -> None:
    """Print the participant's cookie, the URL of the trial's first sound, and its file."""
    from django.test import Client

    from studyapp.models import Study
    from tests.studyapp import passages

    client = Client()
    study = Study.objects.get(slug=slug)
    trial = passages.current(passages.reach_trials(client, study))
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    path = trial.item.stimuli[0].path
    found = {"cookie": cookies, "sound": f"/s/{slug}/audio/{trial.token}/1", "file": path}
    json.dump(found, sys.stdout)


def token(slug: str) -> None:
    """Print the token's secret."""
    from django.contrib.auth import get_user_model

    from studyapp.accounts.services import tokens
    from studyapp.models import Membership, Project, Role, Study

    reader = get_user_model().objects.create_user(f"reader-of-{slug}")
    project = Project.objects.create(name=f"project of {slug}")
    Membership.objects.create(project=project, user=reader, role=Role.VIEWER)
    Study.objects.filter(slug=slug).update(state=Study.State.CLOSED, project=project)
    sys.stdout.write(tokens.make(user=reader, name="e2e")[1])


def run(config: str) -> None:
    """Queue the run `tiny` and notify the workers through this environment's broker."""
    from studyapp.runs.services import lifecycle

    made = lifecycle.create_run(
        name="tiny", config=json.loads(Path(config).read_text()), created_by=None
    )
    lifecycle.queue_run(run=made)
    sys.stdout.write(str(made.pk))


def again(stage: str, name: str = "") -> None:
    """Queue a copy of the finished run whose manifest ends before `stage`."""
    import shutil

    from pipeline.run import STAGES
    from studyapp.models import Run
    from studyapp.runs.services import folders, lifecycle

    original = Run.objects.get(name="tiny")
    made = lifecycle.create_run(
        name=name or f"again-{stage}", config=original.config, created_by=None
    )
    folder = folders.directory_of(run=made)
    shutil.copytree(folders.directory_of(run=original), folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for later in STAGES[STAGES.index(stage) :]:
        for relative in manifest["stages"].pop(later)["files"]:
            (folder / relative).unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lifecycle.queue_run(run=made)
    sys.stdout.write(str(made.pk))


def login() -> None:
    """Print name and password."""
    from django.conf import settings

    from studyapp.accounts.services.accounts import machine_login

    json.dump(machine_login(path=settings.DATA / "researcher.json"), sys.stdout)


if __name__ == "__main__":
    import django

    django.setup()
    commands = (study, place, token, run, again, login)
    {command.__name__: command for command in commands}[sys.argv[1]](*sys.argv[2:])
