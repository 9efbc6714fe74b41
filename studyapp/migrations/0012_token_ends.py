"""Tokens end with their owner's password and after a while; those that stand begin that now."""

import hashlib
from datetime import timedelta
from typing import Any

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def _mark(apps: Any, schema_editor: Any) -> None:
    for token in apps.get_model("studyapp", "ApiToken").objects.select_related("user"):
        token.password_mark = hashlib.sha256(token.user.password.encode()).hexdigest()
        token.expires_at = django.utils.timezone.now() + timedelta(days=settings.TOKEN_DAYS)
        token.save(update_fields=["password_mark", "expires_at"])


class Migration(migrations.Migration):
    """Two columns, filled."""

    dependencies = [("studyapp", "0011_rehearsal_studies")]
    operations = [
        migrations.AddField(
            "apitoken", "expires_at", models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            "apitoken", "password_mark", models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(_mark, migrations.RunPython.noop),
    ]  # fmt: skip
