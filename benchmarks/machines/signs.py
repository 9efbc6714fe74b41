"""How often listeners of different kinds would get the flag `machine_like`, by its threshold.

    python -m benchmarks.machines.signs [--each N]

Every profile draws, for N participations, how their pages would be used (times between keys,
movements of the mouse, times from the sounds' end to the answer, answers to the two questions that
only listening answers), and the site's own rules find the signs in that. The numbers of a profile
are assumptions, stated here; they were not measured from people. So the table shows what the rules
do if these assumptions hold, and how much a threshold costs those who use assistive technology. The
last profile is a program made to imitate people that can hear: nothing here finds it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studyapp.exports.machines import Watched, WatchedTrial

TRIALS = 12
THRESHOLDS = (1, 2, 3, 4, 5)
MOST_PEOPLE, LEAST_MACHINES = 0.05, 0.90
"""What is documented: people flagged at most, programs flagged at least."""
Fields = dict[str, Any]


def text_of(rng: Random, share: float) -> int:
    """Characters of an own label; none in most trials."""
    return round(rng.lognormvariate(2.6, 0.5)) if rng.random() < share else 0


def typed(rng: Random, text: int, *, median: float, evenness: float) -> Fields:
    """Keys for a text; `evenness` is the interquartile range over the median."""
    if not text:
        return {}
    return {
        "text": text, "keys": round(text * rng.uniform(1.0, 1.4)),
        "interval_ms": median, "spread_ms": median * evenness,
    }  # fmt: skip


def person(rng: Random) -> Watched:
    """People: 65 % with a mouse, 30 % by touch, 5 % by keyboard; some distracted, some deafish."""
    device = rng.choices(("mouse", "touch", "keys"), (65, 30, 5))[0]
    writes = rng.betavariate(1, 3)
    swipes = device == "touch" and rng.random() < 0.4
    pastes = rng.random() < 0.02
    pace, hurry = rng.lognormvariate(8.6, 0.4), rng.random() < 0.1
    median, uneven = rng.lognormvariate(5.4, 0.35), rng.uniform(0.4, 1.3)
    lag = device == "mouse" and rng.random() < 0.01  # a remote desktop: presses, hardly a movement
    split = rng.random() < 0.01

    def trial() -> Fields:
        text = text_of(rng, writes)
        made = typed(rng, text, median=median, evenness=uneven)
        if swipes and text:
            made["keys"] = max(1, text // 6)
        if device == "mouse":
            made |= {"presses": 5 + int(rng.expovariate(0.5)), "moves": 3 if lag else 40 + int(
                rng.lognormvariate(5.5, 0.8))}  # fmt: skip
        after = rng.lognormvariate(7.0, 0.35) if hurry else pace * rng.lognormvariate(0, 0.5)
        pasted = int(pastes and bool(text) and rng.random() < 0.3)
        return made | {"after_ms": after, "pastes": pasted, "had_focus": not (
            split or rng.random() < 0.02)}  # fmt: skip

    return watched(rng, trial, tone=0.96, beats=0.95)


def keyboard_only(rng: Random) -> Watched:
    """Someone who uses no mouse: everything by keys."""
    median, uneven, pace = rng.lognormvariate(5.6, 0.4), rng.uniform(0.4, 1.3), 7000.0

    def trial() -> Fields:
        made = typed(rng, text_of(rng, 0.3), median=median, evenness=uneven)
        return made | {"after_ms": pace * rng.lognormvariate(0, 0.5)}

    return watched(rng, trial, tone=0.96, beats=0.95)


def screen_reader(rng: Random) -> Watched:
    """Presses made by the reader, without movement, for 60 %; speech over the sounds."""
    presses, silent = rng.random() < 0.6, rng.random() < 0.15
    median, uneven = rng.lognormvariate(5.6, 0.4), rng.uniform(0.4, 1.3)

    def trial() -> Fields:
        made = typed(rng, text_of(rng, 0.3), median=median, evenness=uneven)
        made |= {"presses": 6, "moves": 0} if presses else {}
        return made | {
            "after_ms": 12_000 * rng.lognormvariate(0, 0.5), "had_input": not silent
        }  # fmt: skip

    return watched(rng, trial, tone=0.95, beats=0.90)


def dictation(rng: Random) -> Watched:
    """Speech recognition: texts without keys; presses without movement for 30 %."""
    presses = rng.random() < 0.3

    def trial() -> Fields:
        made: Fields = {"text": text_of(rng, 0.4)}
        made |= {"presses": 6, "moves": 0} if presses else {}
        return made | {"after_ms": 9_000 * rng.lognormvariate(0, 0.5)}

    return watched(rng, trial, tone=0.96, beats=0.95)


def switch_access(rng: Random) -> Watched:
    """One switch: slow, at multiples of a scanning interval; presses without movement for 40 %."""
    presses, scan = rng.random() < 0.4, rng.uniform(800, 2000)

    def trial() -> Fields:
        made: Fields = {"presses": 8, "moves": 0} if presses else {}
        return made | {"after_ms": scan * rng.randint(8, 20) + rng.uniform(0, 300)}

    return watched(rng, trial, tone=0.96, beats=0.94)


def form_filler(rng: Random) -> Watched:
    """A script that sets the fields: no key, no press, right after the sounds; it guesses."""
    wait, text = rng.uniform(20, 2_000), rng.random() < 0.6

    def trial() -> Fields:
        return {
            "after_ms": wait * rng.uniform(0.97, 1.03), "had_input": False,
            "text": 12 if text else 0, "had_focus": rng.random() < 0.5,
        }  # fmt: skip

    return watched(rng, trial, tone=1 / 3, beats=0.2)


def browser_automation(rng: Random) -> Watched:
    """A driven browser: the mouse jumps, texts are set or typed evenly, pauses vary by 5 %."""
    sets, wait = rng.random() < 0.5, rng.uniform(500, 5_000)

    def trial() -> Fields:
        text = text_of(rng, 0.6)
        made = typed(rng, text, median=40.0, evenness=0.05)
        if sets and text:
            made["keys"] = 0
        return made | {
            "presses": 8, "moves": 8, "after_ms": wait * rng.uniform(0.975, 1.025)
        }  # fmt: skip

    return watched(rng, trial, tone=1 / 3, beats=0.2)


def language_model(rng: Random) -> Watched:
    """An agent that reads the page and looks at pictures of it: pauses like thinking, no ears."""
    sets = rng.random() < 0.6

    def trial() -> Fields:
        text = text_of(rng, 0.7)
        made = typed(rng, text, median=15.0, evenness=0.1)
        if sets and text:
            made["keys"] = 0
        return made | {
            "presses": 8, "moves": 8, "after_ms": 6_000 * rng.lognormvariate(0, 0.5),
            "had_focus": rng.random() < 0.85,
        }  # fmt: skip

    return watched(rng, trial, tone=1 / 3, beats=0.2)


def imitator(rng: Random) -> Watched:
    """A program made to use the page as a person does, that hears the sounds."""
    return person(rng)


PROFILES: dict[str, tuple[str, Callable[[Random], Watched]]] = {
    "people": ("people", person),
    "keyboard only": ("assistive", keyboard_only),
    "screen reader": ("assistive", screen_reader),
    "dictation": ("assistive", dictation),
    "switch access": ("assistive", switch_access),
    "form filler": ("machine", form_filler),
    "browser automation": ("machine", browser_automation),
    "language model": ("machine", language_model),
    "imitator that hears": ("not found", imitator),
}


def watched(rng: Random, trial: Callable[[], Fields], *, tone: float, beats: float) -> Watched:
    """A participation; `tone` and `beats` are the probabilities of right answers."""
    from studyapp.exports.machines import Watched, WatchedTrial

    trials: list[WatchedTrial] = [WatchedTrial(**trial()) for _ in range(TRIALS)]
    given = {"highest": int(rng.random() < tone), "beats": int(rng.random() < beats)}
    return Watched(trials, targets={"highest": 1, "beats": 1}, given=given)


def measure(name: str, each: int) -> tuple[dict[int, float], Counter[str]]:
    """Threshold → share that is flagged; sign → how many have it."""
    from studyapp.exports import machines

    rng = Random(f"machine signs {name}")
    found = [machines.signs(PROFILES[name][1](rng)) for _ in range(each)]
    shares = {n: sum(machines.is_flagged(one, n) for one in found) / each for n in THRESHOLDS}
    return shares, Counter(sign for one in found for sign in one)


def main() -> None:
    """Print the table, and whether it is as documented."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--each", type=int, default=10_000, help="participations per profile")
    each = parser.parse_args().each
    os.environ["DJANGO_SETTINGS_MODULE"] = "studyapp.settings"
    os.environ["EARWITNESS_DATA"] = tempfile.mkdtemp(prefix="ew-bench-")
    import django

    django.setup()
    from studyapp.exports.machines import SIGNS, THRESHOLD

    kept = [f"{n} signs{' *' if n == THRESHOLD else ''}" for n in THRESHOLDS]
    print(f"flagged from so many signs (* the flag), {each} simulated participations each")
    print("| profile | kind | " + " | ".join(kept) + " |")
    print("|---|---|" + "---:|" * len(kept))
    as_documented, details = True, []
    for name, (kind, _) in PROFILES.items():
        shares, signs = measure(name, each)
        cells = " | ".join(f"{100 * shares[n]:.1f} %" for n in THRESHOLDS)
        print(f"| {name} | {kind} | {cells} |", flush=True)
        as_documented &= kind != "people" or shares[THRESHOLD] <= MOST_PEOPLE
        as_documented &= kind != "machine" or shares[THRESHOLD] >= LEAST_MACHINES
        shown = [f"{sign} {100 * signs[sign] / each:.0f} %" for sign in SIGNS if signs[sign]]
        details.append(f"{name}: {', '.join(shown)}")
    print("\nsigns\n" + "\n".join(details))
    print(f"\nas documented (people ≤ 5 %, machines ≥ 90 %): {'yes' if as_documented else 'NO'}")
    sys.exit(0 if as_documented else 1)


if __name__ == "__main__":
    main()
