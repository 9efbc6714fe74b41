"""The consent page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from studyapp import texts
from studyapp.core.errors import (
    CrowdedError,
    NotInvitedError,
    StudyFullError,
    StudyUnavailableError,
)
from studyapp.models import Participation, Study
from studyapp.models.steps import Step
from studyapp.participation.forms.consent import ConsentForm
from studyapp.participation.services import browsers
from studyapp.participation.services import participations as services
from studyapp.participation.views.endings import ending
from studyapp.participation.views.pages import page, redirect_to_step_page, render_step
from studyapp.studies.services import consent_facts


@page(Step.CONSENT)
def consent(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Information and consent: agree or refuse."""
    form = ConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["decision"] == "refuse":
            return redirect_to_step_page(services.refuse(participation=participation))
        device = browsers.described(request.headers.get("User-Agent", "")) | form.device()
        try:
            agreed = services.consent(participation=participation, device=device)
            return redirect_to_step_page(agreed)
        except NotInvitedError:
            return _ending(request, "uninvited", participation, status=403)
        except StudyFullError:
            return _ending(request, "full", participation)
        except CrowdedError:
            return _ending(request, "crowded", participation, status=429)
        except StudyUnavailableError:
            return _ending(request, participation.study.state, participation)
    study, language = participation.study, participation.language
    text = texts.of_study(study, "consent_text", language)
    context = {"text": texts.render(text), "facts": _facts(study, language)}
    return render_step(request, Step.CONSENT, participation, context)


def _ending(
    request: HttpRequest, kind: str, participation: Participation, *, status: int = 200
) -> HttpResponse:
    study = participation.study
    return ending(request, kind, study=study, participation=participation, status=status)


def _facts(study: Study, language: str) -> list[tuple[str, str, str]]:
    """Name, value, and language of each fact that the study states."""
    first = study.languages[0]
    own = study.texts.get(language, {})
    facts = [
        ("compensation", _("Payment"), consent_facts.compensation(study, language)),
        ("institution", _("Carried out by"), texts.of_study(study, "institution", language)),
        ("contact", _("Contact"), study.contact),
        ("retention", _("Storage of data"), texts.of_study(study, "retention", language)),
        ("ethics_approval", _("Ethics approval"), study.ethics_approval),
    ]
    stated = [
        (name, value, language if own.get(key) else first) for key, name, value in facts if value
    ]
    return [*stated, *((name, value, language) for name, value in _of_the_site(study))]


def _of_the_site(study: Study) -> list[tuple[str, str]]:
    """What holds in every study, or follows from the settings, in the language of the page."""
    needs = study.headphones_required and Step.HEADPHONES in study.steps
    facts = [
        (
            _("Headphones"),
            _("You need them: a short check comes first, and only those who pass it can take part.")
            if needs
            else "",
        ),
        (
            _("Your place"),
            _(
                "It is held while you are active on the pages. You are warned before it is given "
                "to someone else, and one click keeps it."
            ),
        ),
        (
            _("Your device"),
            _(
                "We record the kind of browser with its main version, the operating system, "
                "whether you use a touchscreen, and whether the window is narrow, medium or wide."
            ),
        ),
        (
            _("What the pages record"),
            _(
                "To recognise computer programs among the listeners, the pages record, without any "
                "content, whether text is pasted, how evenly it is typed, how much the pointer "
                "moves and whether the page is in the foreground, and two questions can only be "
                "answered by listening. Nobody is excluded automatically."
            )
            if study.watch_machines
            else "",
        ),
    ]
    return [(name, value) for name, value in facts if value]
