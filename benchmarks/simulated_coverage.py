"""Does the interval for the difference between two methods contain the true difference?

    python -m benchmarks.simulated_coverage [--seeds 20] [--participants 80] [--run DIR]

A study of 100 features under both methods is made from the demo's run, in a separate data folder.
For every seed, 80 simulated listeners answer it, `manage.py export` writes the files, and
`python -m analysis` estimates the difference in mean confidence from them. The true difference is
the listener model's expectation over the study's items, by numerical integration
(`studyapp/simulation/listener.py`). A 95 % interval must contain it in at least 17 of 20 seeds.

This runs in process, not over HTTP: the site's own services draw condition, items and order;
answers are then written in bulk as the services would write them, which takes seconds instead of
minutes. `manage.py simulate` uses the real pages with the same listeners.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from studyapp.models import Participation, Study
    from studyapp.simulation.knowledge import Knowledge
    from studyapp.simulation.listener import ListenerModel

ROOT = Path(__file__).resolve().parent.parent
METHODS = ("corpus-tags", "descriptors")
NEEDED_SHARE = 17 / 20


@dataclass(frozen=True)
class Outcome:
    """One seed's estimate."""

    seed: int
    difference: float
    low: float
    high: float
    kind: str

    def contains(self, truth: float) -> bool:
        """Whether the interval holds the true difference."""
        return self.low <= truth <= self.high


def main() -> int:
    """Print the table. Return 1 if too few intervals contain the true difference."""
    options = _options()
    run = options.run or _demo_run()
    with tempfile.TemporaryDirectory(prefix="ew-coverage-") as folder:
        _django(Path(folder))
        from studyapp.simulation.knowledge import knowledge_of, true_difference
        from studyapp.simulation.listener import ListenerModel

        model = ListenerModel()
        study = _study(run, options.participants)
        truth, knowledge = true_difference(study, model), knowledge_of(study)
        outcomes = []
        for seed in tqdm(range(options.seeds), desc="seeds", unit=" seed"):
            _answer(study, knowledge, model, options.participants, seed)
            outcomes.append(_estimate(study, Path(folder) / f"seed-{seed}", seed))
    return _tell(outcomes, truth)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--participants", type=int, default=80)
    parser.add_argument("--run", type=Path, help="finished run directory (default: the demo's)")
    return parser.parse_args()


def _demo_run() -> Path:
    """The demo's run directory, made if it does not exist yet."""
    data = Path(os.environ.get("EARWITNESS_DATA") or ROOT / "data")
    run = data / "runs" / "demo"
    if not (run / "manifest.json").exists():
        command = [sys.executable, "manage.py", "demo", "--no-serve", "--port", "8765"]
        subprocess.run(command, cwd=ROOT, check=True)
    return run.resolve()


def _django(data: Path) -> None:
    """Set up Django on an empty data folder, so that the user's data are not touched."""
    os.environ["EARWITNESS_DATA"] = str(data)
    os.environ["DJANGO_SETTINGS_MODULE"] = "studyapp.settings"
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _study(run: Path, participants: int) -> Study:
    """Make a study of 100 features under both methods, with places for that many participations of
    ten trials."""
    from studyapp.management.study_bar import create_with_bar
    from studyapp.runs.services import imports
    from studyapp.studies.services import lifecycle as studies

    study = create_with_bar(
        slug="coverage",
        title="Coverage",
        run=imports.import_run(directory=run, name="demo"),
        methods=METHODS,
        seed=2026,
        features_wanted=100,
        ratings_per_item=-(-participants * 10 // 200),
        trials_per_participation=10,
    )
    return studies.open_study(studies.freeze(study))


def _answer(
    study: Study, knowledge: Knowledge, model: ListenerModel, participants: int, seed: int
) -> None:
    """Replace the last seed's participations: assigned by services, answered in bulk."""
    from studyapp.models import Participation
    from studyapp.participation.services import participations as services

    Participation.objects.filter(study=study).delete()
    for number in range(participants):
        participation = services.begin(study=study, external_key=f"{seed}-{number}", simulated=True)
        # Drawn from the seed, so that the benchmark is reproducible.
        participation.seed = Random(f"place/{seed}/{number}").getrandbits(63)
        participation.save(update_fields=["seed"])
        services.consent(participation=participation)
        rng = Random(f"{seed}/{number}")
        _write_answers(participation, knowledge, model, rng)


def _write_answers(
    participation: Participation, knowledge: Knowledge, model: ListenerModel, rng: Random
) -> None:
    """Every trial of the participation, as `answers.record_response` of the site would."""
    from django.utils import timezone

    from studyapp.models import Response

    listener, now, responses = model.listener(rng), timezone.now(), []
    related = ("item__stimulus_1__clip", "item__stimulus_2__clip", "item__stimulus_3__clip")
    for trial in participation.trials.select_related(*related).order_by("number"):
        names = [trial.item.options[index]["text"] for index in trial.option_order]
        tags = [knowledge.tags[stimulus.sha256] for stimulus in trial.item.stimuli]
        answer = listener.answer(knowledge.vocabulary.fits(tags, names))
        responses.append(
            Response(
                trial=trial,
                choice=answer.choice,
                confidence=answer.confidence,
                response_ms=40_000,
                answered_at=now + timedelta(seconds=40 * trial.number),
            )
        )
    Response.objects.bulk_create(responses)
    participation.status, participation.completion_code = "complete", "SIMULATED"
    participation.save(update_fields=["status", "completion_code"])


def _estimate(study: Study, folder: Path, seed: int) -> Outcome:
    """Export, analyse, and read the recommended interval of the difference."""
    from studyapp import exports

    export = exports.export_study(study=study, out=folder / "export")
    command = [sys.executable, "-m", "analysis", str(export / "responses.csv")]
    command += ["--out", str(folder / "report"), "--seed", str(seed)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with (folder / "report" / "estimates.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["name"] == "difference_mean_confidence"]
    row = next((r for r in rows if r.get("recommended") == "True"), rows[0])
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    return Outcome(seed, value, low, high, row["interval"])


def _tell(outcomes: list[Outcome], truth: float) -> int:
    print(f"True difference in mean confidence, {METHODS[0]} − {METHODS[1]}: {truth:.4f}")
    print(f"Interval: {outcomes[0].kind}, 95 %\n")
    print(f"{'seed':>4} {'estimate':>9} {'low':>8} {'high':>8}  contains the truth")
    for one in outcomes:
        held = "yes" if one.contains(truth) else "NO"
        print(f"{one.seed:>4} {one.difference:>9.4f} {one.low:>8.4f} {one.high:>8.4f}  {held}")
    hits = sum(one.contains(truth) for one in outcomes)
    needed = NEEDED_SHARE * len(outcomes)
    mean = sum(one.difference for one in outcomes) / len(outcomes)
    print(f"\n{hits} of {len(outcomes)} contain it (needed {needed:.0f}); mean estimate {mean:.4f}")
    return 0 if hits >= needed else 1


if __name__ == "__main__":
    sys.exit(main())
