"""A slug belongs to one project: each study gets the row that says whose.

Where studies of several projects share a slug, or slugs differ in capitals only, the oldest keeps
it and the others get `SLUG-2` and so on. A design hash covers the slug, so that those of them which
were frozen cannot be opened again: they need a new version.
"""

import django.db.models.deletion
import django.db.models.functions.text
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def give_series(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    study_model = apps.get_model("studyapp", "Study")
    series_model = apps.get_model("studyapp", "StudySeries")
    known: dict[tuple[str, int | None], int] = {}
    taken: set[str] = set()
    for study in study_model._base_manager.order_by("pk"):
        key = (study.slug, study.project_id)
        if key not in known:
            slug = _free(study.slug, taken)
            taken.add(slug.lower())
            known[key] = series_model.objects.create(slug=slug, project_id=study.project_id).pk
        series = series_model.objects.get(pk=known[key])
        study_model._base_manager.filter(pk=study.pk).update(series=series, slug=series.slug)


def _free(slug: str, taken: set[str]) -> str:
    number, free = 1, slug
    while free.lower() in taken:
        number += 1
        free = f"{slug[:50]}-{number}"
    return free


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0008_feature_places"),
    ]

    operations = [
        migrations.CreateModel(
            name="StudySeries",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=60)),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="series",
                        to="studyapp.project",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "study series",
                "ordering": ["slug"],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("slug"),
                        name="one_series_per_slug",
                    )
                ],
            },
        ),
        migrations.RemoveConstraint(model_name="study", name="one_study_per_slug_and_version"),
        migrations.RemoveConstraint(model_name="study", name="one_open_version_per_slug"),
        migrations.AddField(
            model_name="study",
            name="series",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="studies",
                to="studyapp.studyseries",
            ),
        ),
        migrations.RunPython(give_series, migrations.RunPython.noop),
    ]
