import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0025_steering_evaluations"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("simulated", models.BooleanField()),
                ("places", models.PositiveIntegerField(default=0)),
                ("by_method", models.JSONField(default=dict)),
                ("ratings", models.JSONField(default=dict)),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tallies",
                        to="studyapp.study",
                    ),
                ),
            ],
            options={"verbose_name_plural": "tallies"},
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.UniqueConstraint(
                fields=("study", "simulated"), name="one_tally_of_people_and_one_of_simulated"
            ),
        ),
        migrations.AddField(
            model_name="participation",
            name="tallied",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="participation",
            index=models.Index(
                condition=models.Q(("assigned_at__isnull", False), ("tallied", False)),
                fields=["study", "simulated"],
                name="placed_but_not_tallied",
            ),
        ),
    ]
