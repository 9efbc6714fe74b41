import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0004_stage_findings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="study",
            name="best_by",
            field=models.CharField(blank=True, max_length=130),
        ),
        migrations.AddField(
            model_name="study",
            name="list_name",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="study",
            name="listed",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="study",
            name="selection",
            field=models.CharField(
                choices=[
                    ("random", "drawn at random"),
                    ("best", "the best by a score"),
                    ("list", "those of a list"),
                ],
                default="random",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="FeatureList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("members", models.JSONField(default=list)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="lists",
                        to="studyapp.run",
                    ),
                ),
            ],
            options={
                "ordering": ["-changed_at"],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("run"),
                        django.db.models.functions.text.Lower("name"),
                        name="one_list_per_run_and_name",
                    )
                ],
            },
        ),
    ]
