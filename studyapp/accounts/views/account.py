"""A researcher's own page, with its API tokens."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp.accounts import selectors
from studyapp.accounts.services import connections, tokens
from studyapp.accounts.services.connections import is_connected
from studyapp.accounts.services.second_factor import has_second_factor
from studyapp.accounts.views.access import user_of
from studyapp.core.permissions import may_make_projects, projects_of, role_in


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Show projects, tokens, and links to set up a second factor."""
    user = user_of(request)
    context = {
        "projects": [(p, role_in(user, p)) for p in projects_of(user)],
        "may_make_projects": may_make_projects(user),
        "tokens": [one for one in selectors.tokens_of(user.pk) if tokens.is_valid(one)],
        "token_days": settings.TOKEN_DAYS,
        "sends_mail": bool(settings.EMAIL_URL),
        "second_factor": has_second_factor(user),
        "oidc_name": settings.OIDC_NAME if settings.OIDC_URL else "",
        "is_connected": is_connected(user),
        "secret": request.session.pop("new_token", ""),
    }
    return render(request, "researcher/account.html", context)


@require_POST
def disconnect(request: HttpRequest) -> HttpResponse:
    """Log in by password only, from now on."""
    connections.disconnect(user=user_of(request))
    messages.success(request, f"Your account is no longer connected to {settings.OIDC_NAME}.")
    return redirect("account")


@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """Create a token; its secret is shown once, on the next page."""
    name = request.POST.get("name", "").strip() or "unnamed"
    _, request.session["new_token"] = tokens.make(user=user_of(request), name=name)
    return redirect("account")


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke a token."""
    if tokens.revoke(user=user_of(request), pk=pk):
        messages.success(request, "The token has been revoked.")
    return redirect("account")
