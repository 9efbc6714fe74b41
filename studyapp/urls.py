"""Every URL of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import URLPattern, URLResolver, path

from studyapp.views import features, health, look, media, participant, researcher

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("healthz", health.health, name="health"),
    # Researchers
    path("", researcher.home, name="home"),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("runs/new/", researcher.new_run, name="new-run"),
    path("runs/<int:pk>/", researcher.run_page, name="run"),
    path("runs/<int:pk>/queue", researcher.queue_run, name="queue-run"),
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
    path("runs/<int:pk>/clips/<slug:sha256>.flac", features.clip_audio, name="clip-audio"),
    path("runs/<int:pk>/tracks/<slug:name>.flac", features.track_audio, name="track-audio"),
    path("runs/<int:pk>/pictures/<slug:name>.png", features.picture, name="picture"),
    path("studies/<slug:slug>/<int:version>/", researcher.study_page, name="study"),
    path(
        "studies/<slug:slug>/<int:version>/responses.csv",
        researcher.responses_csv,
        name="responses-csv",
    ),
    path("studies/<slug:slug>/<int:version>/export.zip", researcher.export_zip, name="export-zip"),
    *(
        path(
            f"studies/<slug:slug>/<int:version>/{action}",
            researcher.study_action,
            {"action": action},
            name=f"{action}-study",
        )
        for action in researcher.STUDY_ACTIONS
    ),
    path("look/", look.look, name="look"),
    # Participants
    path("s/<slug:slug>/", participant.start, name="start"),
    path("s/<slug:slug>/consent/", participant.consent, name="consent"),
    path("s/<slug:slug>/instructions/", participant.instructions, name="instructions"),
    path("s/<slug:slug>/trial/", participant.trial, name="trial"),
    path("s/<slug:slug>/thanks/", participant.thanks, name="thanks"),
    path("s/<slug:slug>/ended/", participant.ended, name="ended"),
    path("s/<slug:slug>/events", participant.events, name="events"),
    path("s/<slug:slug>/audio/<str:token>/<int:number>", media.audio, name="audio"),
]
