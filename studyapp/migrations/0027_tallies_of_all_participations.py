from django.db import migrations, models


def say_how_they_are_counted(apps, schema_editor):
    """Those in the tally were counted as holding a place if they were complete."""
    tallied = apps.get_model("studyapp", "Participation").objects.filter(tallied=True)
    tallied.filter(status="complete").update(counted_as_held=True)
    tallied.exclude(status="complete").update(counted_as_held=False)


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0026_tallies_of_finished_participations"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="participation",
            name="placed_but_not_tallied",
        ),
        migrations.AddField(
            model_name="participation",
            name="counted_as_held",
            field=models.BooleanField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="participation",
            index=models.Index(
                condition=models.Q(("assigned_at__isnull", False), ("tallied", False)),
                fields=["study", "simulated", "status", "lease_expires_at", "counted_as_held"],
                name="placed_and_may_change",
            ),
        ),
        # Last: PostgreSQL changes no table that has changed rows in the same transaction.
        migrations.RunPython(say_how_they_are_counted, migrations.RunPython.noop),
    ]
