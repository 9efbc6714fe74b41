"""Connects an account to the OpenID Connect service that the environment names, and logs in by it.

python -m tests.studyapp.accounts.sign_on_walk: in a process of its own, since settings decide what
is installed. Prints what it saw as JSON.
"""

import json
import sys

import httpx


def through(client: object, address: str) -> object:
    """Press the button, let the service send the browser back, and return our last answer."""
    sent = client.post(address)  # type: ignore[attr-defined]
    back = httpx.get(sent.url).headers["Location"]
    path = back.partition("testserver")[2]
    return client.get(path, follow=True)  # type: ignore[attr-defined]


def main() -> None:
    """Migrate an empty database, then walk."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("ann", password="a long one 12")
    unknown, ann, again = Client(), Client(), Client()
    said = {"button": "Log in through ORCID" in unknown.get("/login/").content.decode()}
    refused = through(unknown, "/oidc/oidc/")
    said["stranger"] = "No account is connected" in refused.content.decode()  # type: ignore[attr-defined]
    said["accounts"] = User.objects.count() == 1
    ann.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    connected = through(ann, "/oidc/oidc/?process=connect")
    said["connected"] = "You can log in through ORCID" in connected.content.decode()  # type: ignore[attr-defined]
    through(again, "/oidc/oidc/")
    said["logged_in"] = again.get("/account/").status_code == 200
    again.post("/account/oidc/disconnect")
    said["disconnected"] = "Connect your account" in again.get("/account/").content.decode()
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
