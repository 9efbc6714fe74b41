"""Who made each run, and which projects may start runs."""

from pathlib import PurePosixPath
from typing import Any

from django.db import migrations, models


def note_origins(apps: Any, _: Any) -> None:
    """Runs of nobody's are the command line's; those elsewhere on the disk were imported."""
    runs = apps.get_model("studyapp", "Run").objects.filter(created_by=None, project=None)
    for run in runs.only("directory"):
        is_import = PurePosixPath(run.directory).is_absolute()
        runs.filter(pk=run.pk).update(origin="import" if is_import else "command")


class Migration(migrations.Migration):
    dependencies = [("studyapp", "0012_token_ends")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="may_start_runs",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="run",
            name="origin",
            field=models.CharField(
                choices=[("site", "site"), ("command", "command line"), ("import", "import")],
                default="site",
                max_length=10,
            ),
        ),
        migrations.RunPython(note_origins, migrations.RunPython.noop, elidable=True),
    ]
