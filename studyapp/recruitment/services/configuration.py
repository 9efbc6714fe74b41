"""How a study recruits: who may enter, through which service, what it pays, and its codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal

from studyapp.core.errors import StudyError
from studyapp.models import PersonList, Recruitment, Study, StudySeries
from studyapp.models.steps import Step
from studyapp.recruitment import selectors
from studyapp.recruitment.services import codes
from studyapp.recruitment.services import entry as entries

ENDINGS = (
    "complete", "screened_out", "no_consent", "incompatible_device", "full", "closed", "timed_out",
)  # fmt: skip
"""Ways in which a study ends that can have a code. Without one for the last three, people are told
to return their submission, or to write to the researchers."""
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
CODE = re.compile(r"[A-Za-z0-9_-]{1,20}")


@dataclass(frozen=True)
class OtherService:
    """How a service that the site does not know sends people and takes them back."""

    service_name: str = ""
    person_parameter: str = ""
    session_parameter: str = ""
    return_address: str = ""

    @classmethod
    def of(cls, row: Recruitment) -> OtherService:
        """What a recruitment has of it."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    def check(self) -> None:
        """Raise `StudyError` if a name or the address cannot be used."""
        for name in filter(None, (self.person_parameter, self.session_parameter)):
            if not PARAMETER.fullmatch(name) or name in entries.OWN_PARAMETERS:
                raise StudyError(
                    f"the link's parameter is {name!r}: give a name of letters, digits and _, as "
                    f"the service has it, but not {' or '.join(sorted(entries.OWN_PARAMETERS))}"
                )
        if self.session_parameter and self.session_parameter == self.person_parameter:
            raise StudyError("a person and a submission cannot have the same parameter")
        if self.return_address:
            entries.check_return_address(self.return_address)
        if (self.person_parameter or self.return_address) and not self.service_name:
            raise StudyError("give the service's name, as its participants know it")


def configure(
    *,
    study: Study,
    entry: str = Recruitment.Entry.LINK,
    service: str = Recruitment.Service.NONE,
    external_study: str = "",
    payment: Decimal | None = None,
    currency: str = "",
    other: OtherService | None = None,
    excluded: Iterable[StudySeries] | None = None,
    excluded_lists: Iterable[PersonList] | None = None,
) -> Recruitment:
    """Set how the study admits participants, and what it pays for a complete participation.

    `other` says how another service than Prolific is reached, `excluded` whose participants cannot
    begin, and `excluded_lists` who else; None leaves them as they are, or as the version before has
    them.

    Raises `StudyError` for an unknown value, for a payment without a currency, and as
    `check_service` does.
    """
    if entry not in Recruitment.Entry.values:
        raise StudyError(f"entry is {entry!r}; known: {', '.join(Recruitment.Entry.values)}")
    if service not in Recruitment.Service.values:
        known = ", ".join(Recruitment.Service.values)
        raise StudyError(f"service is {service!r}; known: {known}")
    if payment is not None and (payment < 0 or not re.fullmatch(r"[A-Z]{3}", currency)):
        raise StudyError(
            f"payment is {payment} {currency!r}: give an amount and a currency such as EUR"
        )
    check_service(study=study, service=service)
    _check_external(study, external_study)
    before = selectors.of_study(study)
    if before.pk is None and (earlier := selectors.version_before(study)) is not None:
        other = other or OtherService.of(earlier)
        excluded = earlier.excluded.all() if excluded is None else excluded
        if excluded_lists is None:
            excluded_lists = earlier.excluded_lists.all()
    if other is not None:
        check_other(service=service, other=other)
    same = before.external_study == external_study
    row, _ = Recruitment.objects.update_or_create(
        study=study,
        defaults={
            **({} if other is None else asdict(other)),
            **({} if same else {"test_study": ""}),
            "entry": entry,
            "service": service,
            "external_study": external_study,
            "payment": payment,
            "currency": currency if payment is not None else "",
        },
    )
    if excluded is not None:
        row.excluded.set(excluded)
    if excluded_lists is not None:
        row.excluded_lists.set(excluded_lists)
    return row


def check_other(*, service: str, other: OtherService) -> None:
    """Raise `StudyError` if another service cannot be used so, or has no name."""
    other.check()
    if service == Recruitment.Service.OTHER and not other.service_name:
        raise StudyError("give the other service's name, as its participants know it")


def keep_out(*, study: Study, people: PersonList) -> None:
    """Let nobody on the list begin the study. Raises `StudyError` for another project's list."""
    if people.project_id != study.project_id:
        raise StudyError(f"the list {people} belongs to another project than {study}")
    row, _ = Recruitment.objects.get_or_create(study=study)
    row.excluded_lists.add(people)


def _check_external(study: Study, external_study: str) -> None:
    """What was asked about one study at the service must not be sent to another one.

    Nor may a project name another project's study, whose own steps would then be refused.
    """
    if selectors.of_study(study).external_study == external_study:
        return
    is_named = bool(external_study) and study.project_id is not None
    if is_named and selectors.is_of_another_project(study, external_study):
        raise StudyError(
            f"the study {external_study} at the recruiting service belongs to another project's "
            "study"
        )
    if waiting := selectors.unresolved(study):
        raise StudyError(
            f"a step at the recruiting service is not resolved ({waiting[0].label}, "
            f"{waiting[0].get_state_display()}): confirm or drop it before the "
            "study's identifier there is changed"
        )


def check_codes(given: Mapping[str, str]) -> None:
    """Raise `StudyError` for an unknown ending or an invalid code."""
    unknown = sorted(set(given) - set(ENDINGS))
    if unknown:
        raise StudyError(f"codes can be for {', '.join(ENDINGS)}, not {unknown[0]}")
    for ending, code in given.items():
        if not isinstance(code, str) or not CODE.fullmatch(code):
            raise StudyError(f"the code for {ending} is {code!r}: use up to 20 letters and digits")


def missing_codes(study: Study) -> list[str]:
    """The endings that participants of the study can reach and that have no code."""
    reached = {
        "complete": True,
        "screened_out": study.headphones_required and Step.HEADPHONES in study.steps,
        "no_consent": True,
        "incompatible_device": Step.DEVICE in study.steps,
    }
    return [ending for ending in reached if reached[ending] and not study.codes.get(ending)]


def check_service(*, study: Study, service: str) -> None:
    """Raise `StudyError` if Prolific would be sent codes that it does not know.

    Only of a draft: a frozen study can be given no codes any more.
    """
    if study.state != Study.State.DRAFT or service != Recruitment.Service.PROLIFIC:
        return
    if missing := missing_codes(study):
        name = Recruitment.Service(service).label
        raise StudyError(
            f"{name} needs completion codes, and there is none for {', '.join(missing)}: "
            f"set them up on {name}, then enter them with the study's recruitment"
        )


def code_for(*, study: Study, ending: str) -> str:
    """Return the code for that ending: the one set up at the service, otherwise a new one."""
    return study.codes.get(ending) or codes.make()
