"""What holds once every study has its series; apart, since PostgreSQL alters no table with rows
that the same transaction changed."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0009_study_series"),
    ]

    operations = [
        migrations.AlterField(
            model_name="study",
            name="series",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="studies",
                to="studyapp.studyseries",
            ),
        ),
        migrations.AddConstraint(
            model_name="study",
            constraint=models.UniqueConstraint(
                fields=("series", "version"), name="one_study_per_series_and_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="study",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("series",),
                name="one_open_version_per_series",
            ),
        ),
    ]
