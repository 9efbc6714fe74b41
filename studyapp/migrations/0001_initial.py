"""All tables of 0.1.0, and the steps by which installations from before its release came to them.

An installation that stands at `0018_data_folder_of_the_database` counts as up to date. One that
stands at an earlier step must first be brought there by the version that had it.
"""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import studyapp.models.steps
import studyapp.models.studies


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("studyapp", "0002_participant_pages"),
        ("studyapp", "0003_recruitment"),
        ("studyapp", "0004_workspace"),
        ("studyapp", "0005_check_sounds"),
        ("studyapp", "0006_near_synonyms"),
        ("studyapp", "0007_studies_in_steps"),
        ("studyapp", "0008_feature_places"),
        ("studyapp", "0009_study_series"),
        ("studyapp", "0010_study_series_rules"),
        ("studyapp", "0011_rehearsal_studies"),
        ("studyapp", "0012_token_ends"),
        ("studyapp", "0013_run_origins"),
        ("studyapp", "0014_arrivals_by_address"),
        ("studyapp", "0015_jobs_given_up"),
        ("studyapp", "0016_submissions"),
        ("studyapp", "0017_installation"),
        ("studyapp", "0018_data_folder_of_the_database"),
    ]
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Condition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("method", models.CharField(max_length=60)),
            ],
            options={
                "ordering": ["study", "method"],
            },
        ),
        migrations.CreateModel(
            name="EntryToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("single", "single use: for the first person who opens it"),
                            ("shared", "shared by several people"),
                            ("kiosk", "a machine in the laboratory: one participant after another"),
                        ],
                        max_length=10,
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("note", models.CharField(blank=True, max_length=100)),
                ("uses", models.PositiveIntegerField(default=0)),
                ("max_uses", models.PositiveIntegerField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["study", "id"],
            },
        ),
        migrations.CreateModel(
            name="Feature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("identifier", models.CharField(max_length=100)),
                ("sae", models.CharField(max_length=80)),
                ("hookpoint", models.CharField(max_length=80)),
                ("index", models.PositiveIntegerField()),
                ("rate", models.FloatField()),
                ("mean_activation", models.FloatField()),
                ("max_activation", models.FloatField()),
                ("neighbours", models.JSONField(blank=True, default=list)),
                ("layer", models.PositiveSmallIntegerField(default=0)),
                ("score", models.FloatField(blank=True, null=True)),
                ("agreement", models.FloatField(blank=True, null=True)),
                ("label_text", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["run", "sae", "index"],
            },
        ),
        migrations.CreateModel(
            name="Project",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("may_start_runs", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(max_length=12)),
                ("secret_hash", models.CharField(max_length=64, unique=True)),
                ("password_mark", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "service",
                    models.CharField(
                        choices=[("none", "none"), ("prolific", "Prolific")], max_length=10
                    ),
                ),
                ("event", models.CharField(max_length=100)),
                ("type", models.CharField(max_length=60)),
                ("outcome", models.CharField(max_length=40)),
                ("received_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-received_at"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("service", "event"), name="one_delivery_per_event"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="FeatureView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("facts", models.JSONField()),
                ("notes", models.JSONField(blank=True, default=list)),
                ("made_at", models.DateTimeField(auto_now=True)),
                (
                    "feature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="view",
                        to="studyapp.feature",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Installation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_fingerprint", models.CharField(max_length=16)),
                ("identifier", models.CharField(blank=True, max_length=32)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_installation")
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("target", models.PositiveBigIntegerField()),
                (
                    "queue",
                    models.CharField(
                        choices=[("cpu", "cpu"), ("gpu", "gpu"), ("api", "api")], max_length=5
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("stopped", "stopped"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("fence", models.PositiveBigIntegerField(default=0)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("losses", models.PositiveIntegerField(default=0)),
                ("deferrals", models.PositiveIntegerField(default=0)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("lease_expires_at", models.DateTimeField(blank=True, null=True)),
                ("worker", models.CharField(blank=True, max_length=100)),
                ("error", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(fields=["state", "lease_expires_at"], name="jobs_to_sweep"),
                    models.Index(fields=["kind", "target"], name="jobs_of_a_row"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("waiting", "running"))),
                        fields=("kind", "target"),
                        name="one_unfinished_job_per_kind_and_target",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Participation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("identifier", models.CharField(max_length=20, unique=True)),
                ("external_key", models.CharField(blank=True, max_length=64)),
                ("person_key", models.CharField(blank=True, max_length=64)),
                (
                    "submission",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("verified", "known to the service"),
                            ("unverified", "the service could not be asked"),
                            ("unknown", "not known to the service"),
                        ],
                        max_length=12,
                    ),
                ),
                ("address_key", models.CharField(blank=True, max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("complete", "complete"),
                            ("refused", "refused"),
                            ("screened_out", "screened out"),
                            ("returned", "returned"),
                            ("timed_out", "timed out"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="active",
                        max_length=15,
                    ),
                ),
                ("simulated", models.BooleanField(default=False)),
                ("seed", models.PositiveBigIntegerField()),
                ("algorithm", models.CharField(max_length=20)),
                ("draw", models.JSONField(blank=True, default=dict)),
                ("assigned_at", models.DateTimeField(blank=True, null=True)),
                ("completion_code", models.CharField(blank=True, max_length=20)),
                ("ending_code", models.CharField(blank=True, max_length=20)),
                (
                    "screened_for",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("device", "the browser cannot play the sounds"),
                            ("headphones", "the headphone check was failed"),
                        ],
                        max_length=20,
                    ),
                ),
                ("language", models.CharField(default="en", max_length=10)),
                ("consent_version", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("consented_at", models.DateTimeField(blank=True, null=True)),
                ("instructed_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("lease_expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "condition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="participations",
                        to="studyapp.condition",
                    ),
                ),
                (
                    "entry",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="participations",
                        to="studyapp.entrytoken",
                    ),
                ),
            ],
            options={
                "ordering": ["study", "created_at"],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("editor", "editor"), ("viewer", "viewer")],
                        max_length=10,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=100)),
                ("secret_hash", models.CharField(max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="studyapp.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="AuditRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("who", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=40)),
                ("target", models.CharField(max_length=150)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="studyapp.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("site", "site"),
                            ("command", "command line"),
                            ("import", "import"),
                        ],
                        default="site",
                        max_length=10,
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("identifier", models.CharField(blank=True, db_index=True, max_length=12)),
                ("directory", models.CharField(max_length=500, unique=True)),
                ("config", models.JSONField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("queued", "queued"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("stopped", "stopped"),
                        ],
                        default="new",
                        max_length=10,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("facets", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="runs",
                        to="studyapp.project",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.AddField(
            model_name="feature",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="features",
                to="studyapp.run",
            ),
        ),
        migrations.CreateModel(
            name="Clip",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("path", models.CharField(max_length=500)),
                ("track", models.CharField(max_length=200)),
                ("start_seconds", models.FloatField()),
                ("seconds", models.FloatField()),
                ("tags", models.JSONField(blank=True, default=list)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="clips",
                        to="studyapp.run",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StageRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stage", models.CharField(max_length=30)),
                ("order", models.PositiveSmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("stopped", "stopped"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("done", models.PositiveBigIntegerField(default=0)),
                ("total", models.PositiveBigIntegerField(default=0)),
                ("unit", models.CharField(blank=True, max_length=30)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("summary", models.JSONField(blank=True, default=dict)),
                ("seconds", models.FloatField(blank=True, null=True)),
                ("heartbeat_at", models.DateTimeField(blank=True, null=True)),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("lines", models.JSONField(blank=True, default=list)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stages",
                        to="studyapp.run",
                    ),
                ),
            ],
            options={
                "ordering": ["order"],
            },
        ),
        migrations.CreateModel(
            name="StepRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("step", models.CharField(max_length=40)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("begun_at", models.DateTimeField(auto_now_add=True)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "participation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps_taken",
                        to="studyapp.participation",
                    ),
                ),
            ],
            options={
                "ordering": ["participation", "id"],
            },
        ),
        migrations.CreateModel(
            name="Stimulus",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("path", models.CharField(max_length=500)),
                ("seconds", models.FloatField()),
                ("loudness_lufs", models.FloatField()),
                ("peaks", models.JSONField(default=list)),
                (
                    "clip",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stimuli",
                        to="studyapp.clip",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "stimuli",
            },
        ),
        migrations.CreateModel(
            name="Study",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slug", models.SlugField(max_length=60)),
                ("version", models.PositiveIntegerField(default=1)),
                ("title", models.CharField(max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("frozen", "frozen"),
                            ("open", "open"),
                            ("paused", "paused"),
                            ("closed", "closed"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                ("seed", models.PositiveBigIntegerField()),
                (
                    "option_policy",
                    models.CharField(
                        choices=[
                            ("candidates", "the method's own candidates"),
                            ("identification", "the best candidate among those of other features"),
                        ],
                        default="candidates",
                        max_length=20,
                    ),
                ),
                (
                    "design",
                    models.CharField(
                        choices=[
                            ("between", "one condition per participation"),
                            ("within", "every condition in a participation, each feature once"),
                        ],
                        default="between",
                        max_length=10,
                    ),
                ),
                ("saes", models.JSONField(blank=True, default=list)),
                (
                    "strata",
                    models.JSONField(blank=True, default=studyapp.models.studies.default_strata),
                ),
                ("features_wanted", models.PositiveIntegerField(default=100)),
                ("ratings_per_item", models.PositiveIntegerField(default=1)),
                ("trials_per_participation", models.PositiveIntegerField(default=10)),
                ("catch_trials", models.PositiveSmallIntegerField(default=0)),
                ("repeat_trials", models.PositiveSmallIntegerField(default=0)),
                (
                    "quality_rules",
                    models.JSONField(default=studyapp.models.studies.default_quality_rules),
                ),
                ("lease_minutes", models.PositiveIntegerField(default=90)),
                ("loudness_lufs", models.FloatField(default=-23.0)),
                ("steps", models.JSONField(default=studyapp.models.steps.default_steps)),
                (
                    "headphone_check",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("huggins", "Huggins pitch"),
                            ("antiphase", "antiphase loudness"),
                            ("either", "either: antiphase after a failed Huggins pitch"),
                            ("both", "both, one after the other"),
                        ],
                        default="either",
                        max_length=10,
                    ),
                ),
                ("headphones_required", models.BooleanField(default=False)),
                ("practice_trials", models.PositiveSmallIntegerField(default=2)),
                ("check_sounds", models.JSONField(blank=True, default=dict)),
                ("languages", models.JSONField(default=studyapp.models.studies.default_languages)),
                ("texts", models.JSONField(blank=True, default=dict)),
                ("consent_text", models.TextField()),
                ("instructions_text", models.TextField()),
                ("debrief_text", models.TextField(blank=True)),
                ("questions", models.JSONField(blank=True, default=dict)),
                ("codes", models.JSONField(blank=True, default=dict)),
                ("rehearsal", models.BooleanField(default=False)),
                ("contact", models.CharField(blank=True, max_length=200)),
                ("ethics_approval", models.CharField(blank=True, max_length=100)),
                ("exclusion_rules", models.JSONField(blank=True, default=dict)),
                ("analysis_plan", models.JSONField(blank=True, default=dict)),
                ("left_out", models.JSONField(blank=True, default=dict)),
                ("design_hash", models.CharField(blank=True, max_length=64)),
                ("unblinded_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("frozen_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "preview_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="studyapp.study",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="studies",
                        to="studyapp.project",
                    ),
                ),
                (
                    "runs",
                    models.ManyToManyField(blank=True, related_name="studies", to="studyapp.run"),
                ),
            ],
            options={
                "verbose_name_plural": "studies",
                "ordering": ["slug", "-version"],
            },
        ),
        migrations.CreateModel(
            name="Recruitment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "entry",
                    models.CharField(
                        choices=[
                            ("link", "Anyone with the link"),
                            (
                                "token",
                                "Only people with a personal link, or from the recruiting service",
                            ),
                        ],
                        default="link",
                        max_length=10,
                    ),
                ),
                (
                    "service",
                    models.CharField(
                        choices=[("none", "none"), ("prolific", "Prolific")],
                        default="none",
                        max_length=10,
                    ),
                ),
                ("external_study", models.CharField(blank=True, max_length=64)),
                (
                    "payment",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True),
                ),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("reconciled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "study",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recruitment",
                        to="studyapp.study",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="participation",
            name="study",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="participations",
                to="studyapp.study",
            ),
        ),
        migrations.CreateModel(
            name="Item",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("main", "main"), ("practice", "practice"), ("catch", "catch")],
                        default="main",
                        max_length=10,
                    ),
                ),
                ("target", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("identifier", models.CharField(max_length=40)),
                ("options", models.JSONField()),
                (
                    "condition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="studyapp.condition",
                    ),
                ),
                (
                    "feature",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="studyapp.feature",
                    ),
                ),
                (
                    "stimulus_1",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="studyapp.stimulus",
                    ),
                ),
                (
                    "stimulus_2",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="studyapp.stimulus",
                    ),
                ),
                (
                    "stimulus_3",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="studyapp.stimulus",
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="studyapp.study",
                    ),
                ),
            ],
            options={
                "ordering": ["study", "identifier"],
            },
        ),
        migrations.AddField(
            model_name="entrytoken",
            name="study",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="entry_tokens",
                to="studyapp.study",
            ),
        ),
        migrations.AddField(
            model_name="condition",
            name="study",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="conditions",
                to="studyapp.study",
            ),
        ),
        migrations.CreateModel(
            name="StudyDraft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("answers", models.JSONField(default=dict)),
                ("step", models.CharField(blank=True, max_length=20)),
                ("power", models.JSONField(blank=True, default=dict)),
                ("done", models.PositiveIntegerField(default=0)),
                ("total", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                    "project",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="studyapp.project",
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="studyapp.study",
                    ),
                ),
            ],
            options={
                "db_table": "studyapp_studyplan",
                "ordering": ["-changed_at"],
            },
        ),
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
            },
        ),
        migrations.AddField(
            model_name="study",
            name="series",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="studies",
                to="studyapp.studyseries",
            ),
        ),
        migrations.CreateModel(
            name="Trial",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("main", "main"),
                            ("practice", "practice"),
                            ("catch", "catch"),
                            ("repeat", "repeat"),
                        ],
                        default="main",
                        max_length=10,
                    ),
                ),
                ("token", models.CharField(max_length=32, unique=True)),
                ("key", models.CharField(max_length=32)),
                ("option_order", models.JSONField()),
                ("shown_at", models.DateTimeField(blank=True, null=True)),
                (
                    "feature",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="studyapp.feature",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trials",
                        to="studyapp.item",
                    ),
                ),
                (
                    "participation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trials",
                        to="studyapp.participation",
                    ),
                ),
                (
                    "repeat_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="studyapp.trial",
                    ),
                ),
            ],
            options={
                "ordering": ["participation", "number"],
            },
        ),
        migrations.CreateModel(
            name="Response",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("choice", models.PositiveSmallIntegerField()),
                ("confidence", models.PositiveSmallIntegerField()),
                ("free_text", models.TextField(blank=True, max_length=500)),
                ("response_ms", models.PositiveBigIntegerField()),
                ("answered_at", models.DateTimeField()),
                (
                    "trial",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="response",
                        to="studyapp.trial",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("shown", "shown"),
                            ("play", "play"),
                            ("pause", "pause"),
                            ("seek", "seek"),
                            ("heard", "heard"),
                            ("ended", "ended"),
                            ("hidden", "hidden"),
                            ("visible", "visible"),
                            ("first_interaction", "first interaction"),
                            ("error", "error"),
                        ],
                        max_length=20,
                    ),
                ),
                ("clip", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("at_ms", models.PositiveBigIntegerField()),
                ("value", models.PositiveBigIntegerField(blank=True, null=True)),
                ("sequence", models.CharField(max_length=40)),
                ("received_at", models.DateTimeField(auto_now_add=True)),
                (
                    "participation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="studyapp.participation",
                    ),
                ),
                (
                    "trial",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="studyapp.trial",
                    ),
                ),
            ],
            options={
                "ordering": ["participation", "id"],
            },
        ),
        migrations.CreateModel(
            name="Exemplar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rank", models.PositiveSmallIntegerField()),
                ("mean_activation", models.FloatField()),
                ("peak_seconds", models.FloatField()),
                (
                    "clip",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exemplars",
                        to="studyapp.clip",
                    ),
                ),
                (
                    "feature",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="exemplars",
                        to="studyapp.feature",
                    ),
                ),
            ],
            options={
                "ordering": ["feature", "rank"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("feature", "rank"), name="one_exemplar_per_rank"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LabelCandidate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("method", models.CharField(max_length=60)),
                ("rank", models.PositiveSmallIntegerField()),
                ("text", models.CharField(blank=True, max_length=300)),
                ("confidence", models.FloatField(blank=True, null=True)),
                ("description", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("ok", "ok"), ("failed", "failed")], default="ok", max_length=10
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("name", models.CharField(blank=True, max_length=300)),
                ("scores", models.JSONField(blank=True, default=dict)),
                (
                    "feature",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="labels",
                        to="studyapp.feature",
                    ),
                ),
            ],
            options={
                "ordering": ["feature", "method", "rank"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("feature", "method", "rank"), name="one_label_per_method_and_rank"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "owner"), ("editor", "editor"), ("viewer", "viewer")],
                        max_length=10,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="studyapp.project",
                    ),
                ),
            ],
            options={
                "ordering": ["project", "user"],
                "constraints": [
                    models.UniqueConstraint(fields=("project", "user"), name="one_role_per_project")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "id"], name="features_by_place"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "sae", "id"], name="features_by_sae"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "layer", "id"], name="features_by_layer"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "rate", "id"], name="features_by_rate"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "max_activation", "id"], name="features_by_strength"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "score", "id"], name="features_by_score"),
        ),
        migrations.AddIndex(
            model_name="feature",
            index=models.Index(fields=["run", "agreement", "id"], name="features_by_agreement"),
        ),
        migrations.AddConstraint(
            model_name="feature",
            constraint=models.UniqueConstraint(
                fields=("run", "identifier"), name="one_feature_per_identifier"
            ),
        ),
        migrations.AddConstraint(
            model_name="clip",
            constraint=models.UniqueConstraint(fields=("run", "sha256"), name="one_clip_per_hash"),
        ),
        migrations.AddConstraint(
            model_name="stagerecord",
            constraint=models.UniqueConstraint(
                fields=("run", "stage"), name="one_record_per_stage"
            ),
        ),
        migrations.AddConstraint(
            model_name="steprecord",
            constraint=models.UniqueConstraint(
                fields=("participation", "step"), name="one_record_per_participation_and_step"
            ),
        ),
        migrations.AddConstraint(
            model_name="stimulus",
            constraint=models.UniqueConstraint(
                fields=("clip", "sha256"), name="one_stimulus_per_clip_and_hash"
            ),
        ),
        migrations.AddConstraint(
            model_name="stimulus",
            constraint=models.UniqueConstraint(
                condition=models.Q(("clip", None)),
                fields=("sha256",),
                name="one_synthesised_stimulus_per_hash",
            ),
        ),
        migrations.AddIndex(
            model_name="participation",
            index=models.Index(
                condition=models.Q(("address_key", ""), _negated=True),
                fields=["study", "address_key", "created_at"],
                name="participations_by_address",
            ),
        ),
        migrations.AddIndex(
            model_name="participation",
            index=models.Index(
                condition=models.Q(("consented_at", None), ("status", "active")),
                fields=["created_at"],
                name="never_consented",
            ),
        ),
        migrations.AddConstraint(
            model_name="participation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_key", ""), _negated=True),
                fields=("study", "external_key"),
                name="one_participation_per_external_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="participation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("person_key", ""), _negated=True),
                fields=("study", "person_key"),
                name="one_participation_per_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="participation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "complete"), ("completion_code", ""), _connector="OR"
                ),
                name="no_code_before_completion",
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.UniqueConstraint(
                fields=("condition", "feature"), name="one_item_per_cell"
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.UniqueConstraint(
                fields=("study", "identifier"), name="one_item_per_identifier"
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("role", "main"), _negated=True),
                    models.Q(("condition__isnull", False), ("feature__isnull", False)),
                    _connector="OR",
                ),
                name="a_main_item_has_feature_and_condition",
            ),
        ),
        migrations.AddConstraint(
            model_name="item",
            constraint=models.CheckConstraint(
                condition=models.Q(("role", "main"), ("target__isnull", False), _connector="OR"),
                name="practice_and_catch_have_a_right_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="entrytoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("max_uses", None), ("uses__lte", models.F("max_uses")), _connector="OR"
                ),
                name="a_token_is_not_used_more_often_than_it_may",
            ),
        ),
        migrations.AddConstraint(
            model_name="entrytoken",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "single"), _negated=True), ("max_uses", 1), _connector="OR"
                ),
                name="a_single_use_is_one_use",
            ),
        ),
        migrations.AddConstraint(
            model_name="condition",
            constraint=models.UniqueConstraint(
                fields=("study", "method"), name="one_condition_per_method"
            ),
        ),
        migrations.AddConstraint(
            model_name="studyseries",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("slug"), name="one_series_per_slug"
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
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.UniqueConstraint(
                fields=("participation", "number"), name="one_trial_per_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "repeat"), _negated=True),
                fields=("participation", "item"),
                name="an_item_at_most_once_per_participation",
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "main")),
                fields=("participation", "feature"),
                name="a_feature_at_most_once_per_participation",
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "repeat"), ("repeat_of__isnull", False)),
                    models.Q(models.Q(("kind", "repeat"), _negated=True), ("repeat_of", None)),
                    _connector="OR",
                ),
                name="a_repeat_says_what_it_repeats",
            ),
        ),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.CheckConstraint(
                condition=models.Q(("choice__gte", 1), ("choice__lte", 5)), name="choice_is_1_to_5"
            ),
        ),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.CheckConstraint(
                condition=models.Q(("confidence__gte", 1), ("confidence__lte", 5)),
                name="confidence_is_1_to_5",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=("participation", "sequence"), name="one_event_per_sequence"
            ),
        ),
    ]
