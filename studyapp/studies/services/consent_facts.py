"""The facts that the consent page lists beside its text, and which of them a study leaves out.

None is compulsory, since a study's own text may state it; but whoever freezes a study is warned.
"""

from __future__ import annotations

from studyapp import texts
from studyapp.models import Study
from studyapp.recruitment import selectors as recruitment_selectors

NAMES = {
    "institution": "who runs the study",
    "compensation": "what participants get",
    "contact": "whom to contact",
    "retention": "how long data are kept",
}
"""Setting → what the consent page does not state while it is empty."""


def compensation(study: Study, language: str) -> str:
    """What participants get: the study's own words, else the payment; empty if neither is given."""
    own = texts.of_study(study, "compensation", language)
    row = recruitment_selectors.of_study(study)
    return own if own or row.payment is None else f"{row.payment:.2f} {row.currency}"


def missing(study: Study, *, is_paid: bool) -> list[str]:
    """What the consent page does not state, in words; `is_paid`: the recruitment has a payment."""
    stated = {name: bool(getattr(study, name)) for name in NAMES}
    stated["compensation"] |= is_paid
    return [words for name, words in NAMES.items() if not stated[name]]


def missing_of(study: Study) -> list[str]:
    """The same for a study that has been made."""
    return missing(study, is_paid=recruitment_selectors.of_study(study).payment is not None)
