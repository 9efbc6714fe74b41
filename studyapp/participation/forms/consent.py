"""The consent page's decision."""

from __future__ import annotations

from typing import Any

from django import forms

from studyapp.participation.services import browsers


class ConsentForm(forms.Form):
    """The decision of the consent page."""

    decision = forms.ChoiceField(choices=[("agree", "agree"), ("refuse", "refuse")])
    touch = forms.NullBooleanField(required=False)
    width = forms.IntegerField(required=False)
    """Of the window, CSS pixels. Both are empty without the page's script."""

    def device(self) -> dict[str, Any]:
        """`touch` and `viewport`, as far as the page's script reported them."""
        touch, width = self.cleaned_data["touch"], self.cleaned_data["width"]
        found = {} if touch is None else {"touch": touch}
        return found if width is None else found | {"viewport": browsers.viewport(width)}
