"""A study's submissions at Prolific beside the participations here."""

from __future__ import annotations

from dataclasses import dataclass

from studyapp.models import Participation, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import prolific_acts, prolific_api, prolific_study
from studyapp.recruitment.services.identities import external_key


@dataclass(frozen=True)
class Submission:
    """A submission at Prolific. Its identifiers there are not shown: only their hash is kept."""

    target: str
    """Keyed hash of the submission."""
    status: str
    ending: str
    """The ending whose completion code was entered; "other" for an unknown one."""
    bonuses: str
    """What was paid beyond the reward; empty if nothing."""
    return_requested: bool
    participation: Participation | None

    @property
    def awaits_review(self) -> bool:
        """Whether it can be approved or rejected."""
        return self.status == "AWAITING REVIEW"

    @property
    def is_complete_here(self) -> bool:
        """Whether the person answered everything."""
        return (
            self.participation is not None
            and self.participation.status == Participation.Status.COMPLETE
        )


def submissions(study: Study, currency: str) -> list[Submission]:
    """Return the submissions: first those that await review, otherwise in Prolific's order."""
    listed = [*prolific_api.submissions(prolific_study.of_study(study))]
    keys = [external_key(pid=str(one["participant_id"]), session=str(one["id"])) for one in listed]
    known = selectors.by_external_keys(study, set(keys))
    endings = {code: ending.replace("_", " ") for ending, code in study.codes.items()}
    found = []
    for key, one in zip(keys, listed, strict=True):
        code, paid = str(one.get("study_code") or ""), sum(one.get("bonus_payments") or ())
        found.append(
            Submission(
                target=key,
                status=prolific_acts.status_of(one),
                ending=endings.get(code, "other") if code else "",
                bonuses=prolific_study.money(round(paid), currency) if paid else "",
                return_requested=bool(one.get("return_requested")),
                participation=known.get(key),
            )
        )
    return sorted(found, key=lambda one: not one.awaits_review)


def took_part(study: Study) -> list[str]:
    """Return the keyed hashes of the submissions whose participants consented here."""
    found = (one.participation for one in submissions(study, "") if one.participation)
    return [one.external_key for one in found if one.consented_at is not None]
