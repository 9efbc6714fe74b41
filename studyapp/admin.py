"""Django's administration: shows every row. A study's frozen design cannot be changed here."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from studyapp import models
from studyapp.accounts.services import accounts
from studyapp.core import audit
from studyapp.core.errors import RunError, StudyError
from studyapp.recruitment.services import configuration
from studyapp.runs.services import lifecycle
from studyapp.studies.services import lifecycle as studies
from studyapp.studies.settings import editable

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
    Accounts = UserAdmin[User]
else:
    ModelAdmin = admin.ModelAdmin
    Accounts = UserAdmin


class ReadOnly(ModelAdmin):
    """Read-only rows, which only services write."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False; viewing is still allowed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False


class ChangedByAdministrators(ReadOnly):
    """Rows that administrators can change one at a time."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether an administrator is changing a single row."""
        return obj is not None and bool(getattr(request.user, "is_superuser", False))


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(Accounts):
    """Accounts, with password links for sites that cannot send mail."""

    actions = ("password_link",)

    @admin.action(description="Make a link to set a new password", permissions=["change"])
    def password_link(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Show, for each account, a link that sets its password once, within a day."""
        for user in users:
            link = request.build_absolute_uri(accounts.password_path(user))
            messages.success(request, f"Link for {user.get_username()}: {link}")


@admin.register(models.Project)
class ProjectAdmin(ChangedByAdministrators):
    """Projects. Administrators decide which may start runs, and which may use Prolific."""

    list_display = ("name", "may_start_runs", "may_recruit", "created_at")
    list_filter = ("may_start_runs", "may_recruit")
    search_fields = ("name",)
    readonly_fields = ("name",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save and record the change in the audit trail."""
        super().save_model(request, obj, form, change)
        action = "allowed runs" if obj.may_start_runs else "stopped runs being started"
        recruit = "allowed" if obj.may_recruit else "not allowed"
        audit.note(user=request.user, action=action, target=obj, project=obj, prolific=recruit)


@admin.register(models.Run)
class RunAdmin(ChangedByAdministrators):
    """Runs. Administrators can move them to projects; nothing else can be changed here."""

    list_display = ("name", "project", "origin", "state", "identifier", "created_at", "finished_at")
    list_filter = ("state", "origin", "project")
    list_select_related = ("project",)
    search_fields = ("name", "identifier")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return all fields but the project."""
        names = [field.name for field in models.Run._meta.get_fields() if field.concrete]
        return tuple(name for name in names if name != "project")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the service, and record it in the audit trail."""
        project = form.cleaned_data["project"]
        try:
            lifecycle.give_run(run=models.Run.objects.get(pk=obj.pk), project=project)
        except RunError as error:
            messages.set_level(request, messages.ERROR)
            messages.error(request, f"Not saved: {error}.")
        else:
            audit.note(user=request.user, action="given a run", target=obj, project=project)


@admin.register(models.StageRecord)
class StageRecordAdmin(ReadOnly):
    """Progress of stages."""

    list_display = ("run", "stage", "state", "done", "total", "unit", "seconds")
    list_filter = ("state", "stage")
    list_select_related = ("run",)


@admin.register(models.Clip)
class ClipAdmin(ReadOnly):
    """Stored excerpts."""

    list_display = ("sha256", "run", "track", "seconds")
    search_fields = ("sha256", "track")
    list_select_related = ("run",)


@admin.register(models.Feature)
class FeatureAdmin(ReadOnly):
    """Kept features."""

    list_display = ("identifier", "run", "hookpoint", "rate", "max_activation")
    list_filter = ("run", "sae")
    search_fields = ("identifier",)
    list_select_related = ("run",)


@admin.register(models.Exemplar)
class ExemplarAdmin(ReadOnly):
    """Strongly activating clips."""

    list_display = ("feature", "rank", "clip", "mean_activation", "peak_seconds")
    list_select_related = ("feature", "clip")


@admin.register(models.LabelCandidate)
class LabelCandidateAdmin(ReadOnly):
    """Labels of every method."""

    list_display = ("feature", "method", "rank", "text", "confidence", "status")
    list_filter = ("method", "status")
    search_fields = ("text", "feature__identifier")
    list_select_related = ("feature",)


@admin.register(models.Study)
class StudyAdmin(ReadOnly):
    """Studies. The texts and numbers of a draft can be changed; a frozen study cannot."""

    list_display = ("slug", "version", "title", "state", "frozen_at")
    list_filter = ("state",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether a single draft is being changed; the list is never editable."""
        is_draft = isinstance(obj, models.Study) and obj.state == models.Study.State.DRAFT
        return is_draft and admin.ModelAdmin.has_change_permission(self, request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that items were drawn from, and the state, which services change."""
        names = [field.name for field in models.Study._meta.get_fields() if field.concrete]
        return tuple(name for name in names if name not in editable())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the service, which checks the rules."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        try:
            studies.update_study(study=obj, **changes)
        except StudyError as error:
            messages.set_level(request, messages.ERROR)
            messages.error(request, f"Not saved: {error}.")


@admin.register(models.Condition)
class ConditionAdmin(ReadOnly):
    """Levels of a study's factor."""

    list_display = ("study", "method")
    list_select_related = ("study",)


@admin.register(models.Stimulus)
class StimulusAdmin(ReadOnly):
    """Clips as participants hear them."""

    list_display = ("sha256", "clip", "seconds", "loudness_lufs")
    list_select_related = ("clip",)


@admin.register(models.Item)
class ItemAdmin(ReadOnly):
    """Features under conditions."""

    list_display = ("identifier", "study", "condition", "feature")
    list_filter = ("study",)
    list_select_related = ("study", "condition__study", "feature")


@admin.register(models.Participation)
class ParticipationAdmin(ReadOnly):
    """Participations in studies."""

    list_display = ("identifier", "study", "status", "simulated", "created_at", "finished_at")
    list_filter = ("study", "status", "simulated")
    search_fields = ("identifier",)
    list_select_related = ("study",)


@admin.register(models.Recruitment)
class RecruitmentAdmin(ModelAdmin):
    """How a study recruits participants; this may change while it is open."""

    list_display = ("study", "entry", "service", "external_study", "reconciled_at")
    list_select_related = ("study",)
    readonly_fields = ("reconciled_at", "test_study")
    exclude = ("excluded", "excluded_lists")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save unless the study lacks the codes that the service needs."""
        try:
            configuration.check_service(study=obj.study, service=obj.service)
        except StudyError as error:
            messages.set_level(request, messages.ERROR)
            messages.error(request, f"Not saved: {error}.")
        else:
            super().save_model(request, obj, form, change)


@admin.register(models.RecruitmentAction)
class RecruitmentActionAdmin(ReadOnly):
    """What Prolific was asked to do, and whether it did."""

    list_display = ("study", "kind", "state", "cost", "by", "sent_at", "ended_at")
    list_filter = ("state", "kind")
    list_select_related = ("study", "by")


@admin.register(models.EntryToken)
class EntryTokenAdmin(ReadOnly):
    """Tokens with which participants enter; created by `manage.py entry_links`."""

    list_display = ("study", "kind", "note", "uses", "max_uses", "revoked_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("study",)


@admin.register(models.Delivery)
class DeliveryAdmin(ReadOnly):
    """Messages from recruiting services."""

    list_display = ("service", "event", "type", "outcome", "received_at")
    list_filter = ("service", "type")


@admin.register(models.Trial)
class TrialAdmin(ReadOnly):
    """Items that participants were shown."""

    list_display = ("participation", "number", "kind", "item", "shown_at")
    list_filter = ("kind",)
    list_select_related = ("participation", "item__study")


@admin.register(models.StepRecord)
class StepRecordAdmin(ReadOnly):
    """Data of sound checks, questionnaires and feedback."""

    list_display = ("participation", "step", "begun_at", "done_at")
    list_filter = ("step",)
    list_select_related = ("participation",)


@admin.register(models.ProblemReport)
class ProblemReportAdmin(ReadOnly):
    """Technical problems that participants reported."""

    list_display = ("participation", "page", "kind", "words", "reported_at")
    list_filter = ("kind", "page")
    list_select_related = ("participation",)


@admin.register(models.Deviation)
class DeviationAdmin(ReadOnly):
    """Departures from frozen designs. Append-only."""

    list_display = ("study", "kind", "condition", "places", "reason", "who", "at")
    list_filter = ("kind",)
    list_select_related = ("study", "condition__study")


@admin.register(models.NoticeSettings)
class NoticeSettingsAdmin(ReadOnly):
    """Where projects' notices go."""

    list_display = ("project", "mail_to", "webhook", "quiet_hours", "since")
    list_select_related = ("project",)


@admin.register(models.Notice)
class NoticeAdmin(ReadOnly):
    """Notices, and how they went out."""

    list_display = ("subject", "project", "kind", "made_at", "mailed_at", "posted_at", "tries")
    list_filter = ("kind",)
    list_select_related = ("project",)


@admin.register(models.ParticipantGroup)
class ParticipantGroupAdmin(ReadOnly):
    """Groups of people at Prolific that projects have made."""

    list_display = ("name", "project", "reference", "created_at")
    list_select_related = ("project",)


@admin.register(models.PersonList)
class PersonListAdmin(ReadOnly):
    """Lists of people whom studies keep out; the people are keyed hashes."""

    list_display = ("name", "project", "created_at")
    list_select_related = ("project",)


@admin.register(models.Response)
class ResponseAdmin(ReadOnly):
    """Answers. They are never edited."""

    list_display = ("trial", "choice", "confidence", "response_ms", "answered_at")
    list_select_related = ("trial__participation",)


@admin.register(models.Event)
class EventAdmin(ReadOnly):
    """Events on participants' pages. Append-only."""

    list_display = ("participation", "trial", "type", "clip", "at_ms", "value", "received_at")
    list_filter = ("type",)
    list_select_related = ("participation", "trial__participation")
