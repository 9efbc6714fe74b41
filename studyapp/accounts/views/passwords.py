"""Passwords: changed by their owner, or reset by a link that works once.

The link comes by e-mail if the site can send mail (`EARWITNESS_EMAIL_URL`), otherwise from an
administrator (`manage.py password_link NAME`, or the administration). A new password ends all other
sessions and all tokens of the account; its second factor stays.
"""

from __future__ import annotations

from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from studyapp.accounts.forms.passwords import ChangeForm, EmailForm
from studyapp.accounts.services import accounts


@require_http_methods(["GET", "POST"])
def change(request: HttpRequest) -> HttpResponse:
    """Change the password; the old one is required."""
    user = cast(User, request.user)
    form = ChangeForm(user, request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        accounts.set_password(user=user, password=form.cleaned_data["new_password1"])
        update_session_auth_hash(request, user)
        messages.success(
            request,
            "Your password has been changed. Your other sessions have ended, and your API tokens "
            "no longer work.",
        )
        return redirect("account")
    status = 422 if form.errors else 200
    return render(request, "account/password_change.html", {"form": form}, status=status)


@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator] # allauth's
def email(request: HttpRequest) -> HttpResponse:
    """Set the address to which password links are sent."""
    user = cast(User, request.user)
    form = EmailForm(request.POST or None, initial={"email": user.email})
    if request.method == "POST" and form.is_valid():
        accounts.set_email(user=user, email=form.cleaned_data["email"])
        messages.success(request, "Your e-mail address has been saved.")
        return redirect("account")
    status = 422 if form.errors else 200
    return render(request, "account/email.html", {"form": form}, status=status)


class OnceInAWhileForm(PasswordResetForm):
    """Limits mails per account, so that nobody's mailbox can be flooded."""

    def get_users(self, email: str) -> Any:
        """Yield the accounts with that address that were not sent a link recently."""
        return (user for user in super().get_users(email) if accounts.may_be_mailed(user=user))


@method_decorator(login_not_required, name="dispatch")
class Forgotten(auth_views.PasswordResetView):
    """Asks for an e-mail address; the response does not reveal whether it is known."""

    form_class = OnceInAWhileForm
    template_name = "account/password_forgotten.html"
    email_template_name = "account/password_email.txt"
    subject_template_name = "account/password_email_subject.txt"
    success_url = reverse_lazy("password-sent")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Tell the template whether the site can send mail."""
        return super().get_context_data(**kwargs) | {"sends_mail": bool(settings.EMAIL_URL)}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send the link; 404 if the site cannot send mail."""
        if not settings.EMAIL_URL:
            raise Http404
        return super().post(request, *args, **kwargs)


@login_not_required
@require_http_methods(["GET"])
def sent(request: HttpRequest) -> HttpResponse:
    """Tell the user what to do next."""
    return render(request, "account/password_sent.html")


@method_decorator(login_not_required, name="dispatch")
class ByLink(auth_views.PasswordResetConfirmView):
    """Sets a password by a link; Django moves its secret from the address to the session."""

    template_name = "account/password_set.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: SetPasswordForm[User]) -> HttpResponse:
        """Set the password; the user then logs in, with the second factor if there is one."""
        user = cast(User, self.user)
        accounts.set_password(user=user, password=form.cleaned_data["new_password1"], by_link=True)
        self.request.session.flush()
        messages.success(self.request, "Your new password has been set. Log in with it.")
        return redirect(str(self.success_url))
