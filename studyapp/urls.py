"""Every URL of the site."""

from allauth.account import views as allauth_views
from allauth.account.decorators import secure_admin_login
from allauth.mfa.base import views as mfa_views
from allauth.mfa.recovery_codes import views as recovery_views
from allauth.mfa.totp import views as totp_views
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, path

from studyapp.accounts.views import account, invitation, passwords, projects
from studyapp.api import views as api
from studyapp.exports import views as downloads
from studyapp.features.views import evaluation, features, lists, searches
from studyapp.hosting import health
from studyapp.monitoring.views import (
    entry_links,
    home,
    notices,
    operation,
    participations,
    playback,
    recruitment,
    studies,
)
from studyapp.participation.views import (
    checks,
    consent,
    entry,
    events,
    finish,
    footer,
    instructions,
    media,
    practice,
    preview,
    questionnaire,
    styleguide,
    trial,
    withdraw,
)
from studyapp.recruitment import views as hooks
from studyapp.results import views as results
from studyapp.runs.views import item_tables, paper, runs
from studyapp.studies.views import actions, items
from studyapp.wizard.views import drafts

# The administration's own login would not ask for a second factor, so use ours.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# Its own page for changing passwords would not count wrong ones.
admin.site.password_change = passwords.change  # type: ignore[method-assign,assignment]


login = allauth_views.LoginView.as_view(
    extra_context={"oidc_name": settings.OIDC_NAME if settings.OIDC_URL else ""}
)


def sign_on() -> list[URLPattern]:
    """The pages of a login through another service; none unless the environment names one."""
    if not settings.OIDC_URL:
        return []
    from allauth.socialaccount import views as connected
    from allauth.socialaccount.providers.openid_connect import views as openid

    public = login_not_required
    return [
        path("oidc/<slug:provider_id>/", public(openid.login), name="openid_connect_login"),
        path(
            "oidc/<slug:provider_id>/back/", public(openid.callback), name="openid_connect_callback"
        ),
        path("oidc/", public(connected.login_error), name="socialaccount_login_error"),
        path(
            "oidc/cancelled",
            public(connected.login_cancelled),
            name="socialaccount_login_cancelled",
        ),
        path("account/", account.account, name="socialaccount_connections"),
        path("account/oidc/disconnect", account.disconnect, name="oidc-disconnect"),
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    # Participants: first, since most requests are theirs and each pattern is tried in turn
    path("s/<slug:slug>/", entry.start, name="start"),
    path("s/<slug:slug>/mturk", entry.mturk, name="mturk"),
    path("s/<slug:slug>/next", entry.next_participant, name="next"),
    path("s/<slug:slug>/consent/", consent.consent, name="consent"),
    path("s/<slug:slug>/instructions/", instructions.instructions, name="instructions"),
    path("s/<slug:slug>/device/", checks.device, name="device"),
    path("s/<slug:slug>/volume/", checks.volume, name="volume"),
    path("s/<slug:slug>/headphones/", checks.headphones, name="headphones"),
    path("s/<slug:slug>/hearing/", checks.hearing, name="hearing"),
    path("s/<slug:slug>/practice/", practice.practice, name="practice"),
    path("s/<slug:slug>/trial/", trial.trial, name="trial"),
    path("s/<slug:slug>/questionnaire/", questionnaire.questionnaire, name="questionnaire"),
    path("s/<slug:slug>/thanks/", finish.thanks, name="thanks"),
    path("s/<slug:slug>/ended/", finish.ended, name="ended"),
    path("s/<slug:slug>/withdraw/", withdraw.withdraw, name="withdraw"),
    path("s/<slug:slug>/language/", footer.language, name="language"),
    path("s/<slug:slug>/sound/<slug:token>", media.sound, name="sound"),
    path("s/<slug:slug>/problem/", footer.problem, name="problem"),
    path("s/<slug:slug>/stay", events.stay, name="stay"),
    path("s/<slug:slug>/events", events.events, name="events"),
    path("s/<slug:slug>/audio/<slug:token>/<int:number>", media.audio, name="audio"),
    # Everybody else
    *sign_on(),
    path("admin/", admin.site.urls),
    path("healthz", health.health, name="health"),
    path("readyz", health.ready, name="ready"),
    path("metrics", health.prometheus, name="metrics"),
    # Researchers
    path("", home.home, name="home"),
    path("login/", login, name="login"),
    path("logout/", login_not_required(auth_views.LogoutView.as_view()), name="logout"),
    # allauth finds these pages by its own names for them.
    path("login/", login, name="account_login"),
    path("login/code/", mfa_views.authenticate, name="mfa_authenticate"),
    path("account/", account.account, name="mfa_index"),
    path("account/again/", allauth_views.reauthenticate, name="account_reauthenticate"),
    path("account/again/code/", mfa_views.reauthenticate, name="mfa_reauthenticate"),
    path("account/second-factor/", totp_views.activate_totp, name="mfa_activate_totp"),
    path("account/second-factor/off/", totp_views.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "account/recovery-codes/",
        recovery_views.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/recovery-codes/new/",
        recovery_views.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path("runs/new/", runs.new_run, name="new-run"),
    path("runs/<int:pk>/", runs.run_page, name="run"),
    path("items/new/", item_tables.new_items, name="new-items"),
    path("items/items.csv", item_tables.template, name="items-template"),
    path("runs/new/check", runs.check_config, name="check-config"),
    path("runs/new/fill", runs.fill_config, name="fill-config"),
    path("runs/import", runs.import_run, name="import-run"),
    path("runs/compare/", runs.compare, name="compare-runs"),
    path("queues/", runs.queues, name="queues"),
    path("runs/<int:pk>/delete", runs.delete_run, name="delete-run"),
    path("runs/<int:pk>/stop", runs.stop_run, name="stop-run"),
    path("runs/<int:pk>/redo/<slug:stage>", runs.redo_stage, name="redo-stage"),
    path("runs/<int:pk>/queue", runs.queue_run, name="queue-run"),
    path("runs/<int:pk>/measure", runs.measure_run, name="measure-run"),
    path("runs/<int:pk>/paper/", paper.paper_page, name="run-paper"),
    path("runs/<int:pk>/paper/paper.html", paper.paper_document, name="run-paper-document"),
    path("runs/<int:pk>/paper/files/<path:name>", paper.paper_file, name="run-paper-file"),
    path("account/", account.account, name="account"),
    path("account/password/", passwords.change, name="change-password"),
    path("account/email/", passwords.email, name="change-email"),
    path("password/", passwords.Forgotten.as_view(), name="password-forgotten"),
    path("password/sent/", passwords.sent, name="password-sent"),
    path("password/<slug:uidb64>/<str:token>/", passwords.ByLink.as_view(), name="password-link"),
    path("account/tokens/", account.make_token, name="make-token"),
    path("account/tokens/<int:pk>/revoke", account.revoke_token, name="revoke-token"),
    path("projects/", projects.make_project, name="make-project"),
    path("projects/<int:pk>/", projects.project, name="project"),
    path("projects/<int:pk>/notices/", notices.notices, name="notices"),
    path("projects/<int:pk>/notices/change", notices.change_notices, name="change-notices"),
    path("projects/<int:pk>/invite", projects.invite, name="invite"),
    path("projects/<int:pk>/paper/", paper.joined_page, name="joined-paper"),
    path("projects/<int:pk>/paper/paper.html", paper.joined_document, name="joined-paper-document"),
    path("projects/<int:pk>/paper/files/<path:name>", paper.joined_file, name="joined-paper-file"),
    path("projects/<int:pk>/members/<int:member>", projects.change_member, name="change-member"),
    path(
        "projects/<int:pk>/invitations/<int:invitation>/withdraw",
        projects.withdraw_invitation,
        name="withdraw-invitation",
    ),
    path("join/<str:secret>/", invitation.invitation, name="invitation"),
    path("api/v1/studies/", api.studies, name="api-studies"),
    path("api/v1/studies/<slug:slug>/<int:version>/", api.study, name="api-study"),
    path("api/v1/studies/<slug:slug>/<int:version>/<slug:name>", api.table, name="api-table"),
    path("runs/<int:pk>/steering/", evaluation.steering_page, name="run-steering"),
    path("runs/<int:pk>/steering/stop", evaluation.stop_steering, name="stop-steering"),
    path("runs/<int:pk>/features/", features.browser, name="features"),
    path("runs/<int:pk>/features/<str:sae>/<int:index>/", features.feature_page, name="feature"),
    path(
        "runs/<int:pk>/features/<str:sae>/<int:index>/material",
        features.feature_material,
        name="feature-material",
    ),
    path(
        "runs/<int:pk>/features/<str:sae>/<int:index>/redraw",
        features.feature_redraw,
        name="feature-redraw",
    ),
    path("runs/<int:pk>/searches/words", searches.search_words, name="search-words"),
    path("runs/<int:pk>/searches/sound", searches.search_sound, name="search-sound"),
    path("runs/<int:pk>/searches/<int:number>/", searches.search_page, name="feature-search"),
    path("runs/<int:pk>/lists/add", lists.add_to_list, name="add-to-list"),
    path("runs/<int:pk>/lists/<int:number>/", lists.list_page, name="feature-list"),
    path("runs/<int:pk>/lists/<int:number>/change", lists.change_list, name="change-list"),
    path("runs/<int:pk>/lists/<int:number>.txt", lists.list_text, name="list-text"),
    path("runs/<int:pk>/lists/<int:number>/study", drafts.study_of_list, name="study-of-list"),
    path("runs/<int:pk>/clips/<slug:sha256>.flac", features.clip_audio, name="clip-audio"),
    path("runs/<int:pk>/tracks/<slug:name>.flac", features.track_audio, name="track-audio"),
    path(
        "runs/<int:pk>/steered/<str:sae>/<slug:name>.flac",
        features.steered_audio,
        name="steered-audio",
    ),
    path("runs/<int:pk>/pictures/<slug:name>.png", features.picture, name="picture"),
    path("plans/new/", drafts.new_study, name="new-study"),
    path("plans/<int:pk>/review/", drafts.draft_review, name="plan-review"),
    path("plans/<int:pk>/power", drafts.draft_power, name="plan-power"),
    path("plans/<int:pk>/discard", drafts.draft_discard, name="plan-discard"),
    path("plans/<int:pk>/<slug:step>/", drafts.draft_step, name="plan-step"),
    path("studies/<slug:slug>/<int:version>/", studies.study_page, name="study"),
    path("studies/<slug:slug>/<int:version>/items/", items.study_items, name="study-items"),
    path(
        "studies/<slug:slug>/<int:version>/sounds/<slug:sha256>.flac",
        items.study_sound,
        name="study-sound",
    ),
    path("studies/<slug:slug>/<int:version>/flags", studies.study_flags, name="study-flags"),
    path("studies/<slug:slug>/<int:version>/unblind", studies.unblind, name="unblind-study"),
    path("studies/<slug:slug>/<int:version>/operation/", operation.operation, name="operation"),
    path(
        "studies/<slug:slug>/<int:version>/operation/abandoned",
        operation.end_abandoned,
        name="end-abandoned",
    ),
    path(
        "studies/<slug:slug>/<int:version>/operation/conditions",
        operation.switch_condition,
        name="switch-condition",
    ),
    path(
        "studies/<slug:slug>/<int:version>/operation/time-zone",
        operation.time_zone,
        name="time-zone",
    ),
    path(
        "studies/<slug:slug>/<int:version>/operation/places",
        operation.add_places,
        name="add-places",
    ),
    path("studies/<slug:slug>/<int:version>/links", entry_links.entry_links, name="entry-links"),
    path(
        "studies/<slug:slug>/<int:version>/links/revoke",
        entry_links.revoke_links,
        name="revoke-links",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/",
        recruitment.recruitment,
        name="recruitment",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/settings",
        recruitment.change_settings,
        name="recruitment-settings",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/people",
        recruitment.add_people,
        name="recruitment-people",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/prolific",
        recruitment.at_prolific,
        name="recruitment-prolific",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/ask",
        recruitment.ask,
        name="recruitment-ask",
    ),
    path(
        "studies/<slug:slug>/<int:version>/recruitment/actions/<uuid:key>",
        recruitment.resolve,
        name="recruitment-action",
    ),
    path(
        "studies/<slug:slug>/<int:version>/participations/",
        participations.participations,
        name="participations",
    ),
    path(
        "studies/<slug:slug>/<int:version>/participations/<slug:identifier>/",
        participations.participation,
        name="participation",
    ),
    path(
        "studies/<slug:slug>/<int:version>/participations/<slug:identifier>/playback/",
        playback.playback,
        name="playback",
    ),
    path(
        "studies/<slug:slug>/<int:version>/participations/<slug:identifier>/withdraw",
        participations.withdraw_participation,
        name="withdraw-participation",
    ),
    path(
        "studies/<slug:slug>/<int:version>/problems/",
        participations.problems,
        name="problems",
    ),
    path("studies/<slug:slug>/<int:version>/preview", preview.preview_study, name="preview-study"),
    path("studies/<slug:slug>/<int:version>/edit", drafts.edit_study, name="edit-study"),
    path(
        "studies/<slug:slug>/<int:version>/responses.csv",
        downloads.responses_csv,
        name="responses-csv",
    ),
    path("studies/<slug:slug>/<int:version>/export.zip", downloads.export_zip, name="export-zip"),
    path("studies/<slug:slug>/<int:version>/results/", results.results_page, name="results"),
    path(
        "studies/<slug:slug>/<int:version>/results/report.html",
        results.report_document,
        name="report-document",
    ),
    path(
        "studies/<slug:slug>/<int:version>/results/files/<path:name>",
        results.report_file,
        name="report-file",
    ),
    path("studies/<slug:slug>/<int:version>/delete", actions.delete_study, name="delete-study"),
    *(
        path(
            f"studies/<slug:slug>/<int:version>/{action}",
            actions.study_action,
            {"action": action},
            name=f"{action}-study",
        )
        for action in actions.STUDY_ACTIONS
    ),
    path("look/", styleguide.styleguide, name="look"),
    path("hooks/prolific", hooks.prolific_hook, name="prolific-hook"),
]
