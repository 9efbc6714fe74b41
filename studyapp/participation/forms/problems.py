"""A report of a technical problem: a kind, words if wanted, and the state of the page."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from studyapp.models import ProblemReport

Kind = ProblemReport.Kind
KINDS = (
    (Kind.SOUND.value, _("I hear nothing, or a sound breaks off")),
    (Kind.STUCK.value, _("The page does not go on")),
    (Kind.SAVING.value, _("My answers are not saved")),
    (Kind.LOOKS.value, _("I cannot read or use the page")),
    (Kind.OTHER.value, _("Something else")),
)
LONGEST_STATE = 4_000
LARGEST = 2**40
NUMBERS = ("width", "height", "page_ms")
SWITCHES = ("touch", "online", "storage")
PLAYER_NUMBERS = ("number", "ready", "network", "error", "at_ms", "heard_ms")
"""Of an audio element: `readyState` 0 to 4, `networkState` 0 to 3, error code 0 to 4."""
PLAYER_SWITCHES = ("paused", "heard", "failed")
MOST_PLAYERS = 3


class ProblemForm(forms.Form):
    """The form of the page; `state` is filled by its script, and ignored if it makes no sense."""

    kind = forms.ChoiceField(
        choices=KINDS, error_messages={"required": _("Choose what comes closest.")}
    )
    words = forms.CharField(required=False, max_length=500)
    state = forms.CharField(required=False)

    def clean_state(self) -> dict[str, Any]:
        """Only known keys with numbers and switches: nothing typed can come along."""
        text = self.cleaned_data["state"]
        try:
            given = json.loads(text) if len(text) <= LONGEST_STATE else None
        except (ValueError, RecursionError):
            given = None
        return _state(given) if isinstance(given, dict) else {}


def _state(given: dict[str, Any]) -> dict[str, Any]:
    players = given.get("players")
    known = players[:MOST_PLAYERS] if isinstance(players, list) else []
    return _only(given, NUMBERS, SWITCHES) | {
        "players": [
            _only(one, PLAYER_NUMBERS, PLAYER_SWITCHES) for one in known if isinstance(one, dict)
        ]
    }


def _only(
    given: dict[str, Any], numbers: tuple[str, ...], switches: tuple[str, ...]
) -> dict[str, Any]:
    def is_number(value: Any) -> bool:
        return type(value) is int and 0 <= value <= LARGEST

    found = {name: given[name] for name in numbers if is_number(given.get(name))}
    return found | {name: given[name] for name in switches if type(given.get(name)) is bool}
