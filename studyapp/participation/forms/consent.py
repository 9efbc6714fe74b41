"""The consent page's decision."""

from __future__ import annotations

from django import forms


class ConsentForm(forms.Form):
    """The decision of the consent page."""

    decision = forms.ChoiceField(choices=[("agree", "agree"), ("refuse", "refuse")])
