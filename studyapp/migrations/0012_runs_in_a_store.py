from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studyapp", "0011_running_changes"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="remote",
            field=models.CharField(blank=True, max_length=500),
        ),
    ]
