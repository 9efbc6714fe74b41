"""One process of `test_arrivals`: prepares the study, lets participants arrive, or reports."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - after the setup

from studyapp.core.errors import StudyFullError  # noqa: E402
from studyapp.models import Event, Participation, Response, Study, Trial  # noqa: E402
from studyapp.participation.selectors.trials import progress_of  # noqa: E402
from studyapp.participation.services import participations as services  # noqa: E402
from studyapp.participation.services.answers import record_response, show_trial  # noqa: E402
from studyapp.participation.services.events import EventData, record_events  # noqa: E402
from tests.studyapp.factories import make_study  # noqa: E402
from tests.studyapp.races import Work, at_once, run  # noqa: E402


def say(line: str) -> None:
    """Print a line for the test that started this process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def prepare() -> None:
    """A study of 10 features × 2 conditions × 4 ratings in trials of 2: 40 places."""
    call_command("migrate", verbosity=0)
    make_study(features=10, trials_per_participation=2, ratings_per_item=4, slug="rush")
    say("ready")


def twice_at_once(call: Callable[[], object]) -> None:
    """Make the call in two threads at the same moment; only a full study may refuse."""
    assert set(at_once(call, call)) <= {"", StudyFullError.__name__}


def arrive(study: Study, key: str) -> str:
    """One arrival with the link, the consent and the first answer each sent twice at once."""
    # Simulated, so that the clock may run faster: as many places as people have.
    twice_at_once(lambda: services.begin(study=study, external_key=key, simulated=True))
    someone = Participation.objects.filter(external_key=key).first()
    if someone is None:
        return "full"

    def consent() -> None:
        services.consent(participation=Participation.objects.get(pk=someone.pk))

    twice_at_once(consent)
    someone.refresh_from_db()
    if someone.condition_id is None:
        return "full"
    services.finish_instructions(participation=someone)
    trial = progress_of(someone).current
    assert trial is not None
    show_trial(trial=trial)
    events = [EventData(trial.token, "ended", 1, f"e{clip}", clip) for clip in (1, 2, 3)]
    twice_at_once(lambda: record_events(participation=someone, events=events))

    def answer() -> None:
        own = Trial.objects.get(pk=trial.pk)
        record_response(trial=own, choice=1, confidence=1, key=own.key)

    twice_at_once(answer)
    return "assigned"


def hands(threads: int, rounds: int, name: str) -> None:
    """Let `threads` threads each bring `rounds` participants; print the outcomes as JSON."""
    study = Study.objects.get(slug="rush")
    say("waiting")
    sys.stdin.readline()
    outcomes: list[str] = []

    def hand(number: int) -> Work:
        return lambda: outcomes.extend(
            arrive(study, f"{name}-{number}-{one}") for one in range(rounds)
        )

    assert set(run([hand(number) for number in range(threads)])) == {""}
    say(json.dumps(Counter(outcomes)))


def report() -> None:
    """Print what the database contains at the end, as JSON."""
    assigned = Participation.objects.exclude(condition=None)
    trials = Trial.objects.all()
    answered = Event.objects.values_list("trial", flat=True)
    say(
        json.dumps(
            {
                "participations": assigned.count(),
                "per_condition": sorted(
                    Counter(assigned.values_list("condition", flat=True)).values()
                ),
                "ratings_per_cell": sorted(
                    set(Counter(trials.values_list("item", flat=True)).values())
                ),
                "trials_per_participation": sorted(
                    set(Counter(trials.values_list("participation", flat=True)).values())
                ),
                "answers": Response.objects.count(),
                "events_per_trial": sorted(set(Counter(answered).values())),
            }
        )
    )


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "prepare":
        prepare()
    elif command == "report":
        report()
    else:
        hands(int(rest[0]), int(rest[1]), rest[2])
