"""An interrupted training ends with the bytes of one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.config import SaeConfig
from pipeline.sae.frames import TrainingFrames
from pipeline.sae.snapshots import StoredSnapshots
from pipeline.sae.trainer import TrainedSae, Wanted, train_alone, train_together
from pipeline.sae.variants import VARIANTS
from pipeline.store.run_directory import RunDirectory

CONFIG = SaeConfig(
    steps=30, batch_frames=64, learning_rate=3e-3, aux_k=4, dead_after_frames=300, clip_norm=1.0
)
HOOKPOINT = "decoder.layers.0.resid_post"
TRACKS = frozenset(f"t{n:03d}" for n in range(48))


class KilledError(Exception):
    """Stands for a kill between two steps."""


def frames_of(run: Path, pool_frames: int) -> TrainingFrames:
    return TrainingFrames(RunDirectory(run), HOOKPOINT, TRACKS, pool_frames=pool_frames)


def snapshots(folder: Path, name: str = "x", every: int = 8, key: str = "k") -> StoredSnapshots:
    return StoredSnapshots(RunDirectory(folder).scratch("sae"), name, key, every)


def same(one: TrainedSae, other: TrainedSae) -> bool:
    weights = zip(one.sae.parameters(), other.sae.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and one.history == other.history


@pytest.mark.parametrize("variant", VARIANTS)
# One pool that stays in memory; two pools per pass, 68 batches: killed in the second.
@pytest.mark.parametrize(("pool_frames", "killed_at"), [(10_000, 21), (4_000, 75)])
def test_killed_and_continued_is_as_if_nothing_had_happened(
    variant: str, pool_frames: int, killed_at: int, finished_run: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, steps=killed_at + 9, variant=variant)
    wanted = Wanted(config, 40, 3, 5, snapshots(tmp_path))
    steps: list[int] = []

    def count(done: int) -> None:
        steps.append(done)
        if sum(steps) == killed_at:
            raise KilledError

    with pytest.raises(KilledError):
        train_alone(wanted, frames_of(finished_run, pool_frames), device="cpu", advance=count)
    steps.clear()
    continued = train_alone(
        wanted, frames_of(finished_run, pool_frames), device="cpu", advance=steps.append
    )
    assert steps[0] == killed_at // 8 * 8
    assert sum(steps) == config.steps
    whole = train_alone(
        Wanted(config, 40, 3, 5), frames_of(finished_run, pool_frames), device="cpu",
        advance=lambda _: None,
    )  # fmt: skip
    assert same(continued, whole)


def test_together_is_bit_by_bit_as_one_after_another_also_if_continued(
    finished_run: Path, tmp_path: Path
) -> None:
    shapes = {"a": (40, 3, 5), "b": (64, 5, 6)}
    wanted = [Wanted(CONFIG, *shape, snapshots(tmp_path, name)) for name, shape in shapes.items()]
    steps: list[int] = []

    def count(done: int) -> None:
        steps.append(done)
        # The first has its snapshot of step 16, the second has not.
        if sum(steps) == 2 * 15 + 2:
            raise KilledError

    def run(some: list[Wanted], advance: object = lambda _: None) -> list[TrainedSae]:
        frames = frames_of(finished_run, 10_000)
        return train_together(some, frames, order_seed=9, device="cpu", advance=advance)  # type: ignore[arg-type]

    with pytest.raises(KilledError):
        run(wanted, count)
    steps.clear()
    continued = run(wanted, steps.append)
    assert steps[0] == 16 + 16
    for one, shape in zip(continued, shapes.values(), strict=True):
        assert same(one, run([Wanted(CONFIG, *shape)])[0])


def test_a_finished_training_is_not_repeated_and_one_of_another_key_is(
    finished_run: Path, tmp_path: Path
) -> None:
    first = train_alone(
        Wanted(CONFIG, 40, 3, 5, snapshots(tmp_path, every=0)), frames_of(finished_run, 10_000),
        device="cpu", advance=lambda _: None,
    )  # fmt: skip
    for key, expected in (("k", [30]), ("another", [0] + 30 * [1])):
        steps: list[int] = []
        wanted = Wanted(CONFIG, 40, 3, 5, snapshots(tmp_path, every=0, key=key))
        frames = frames_of(finished_run, 10_000)
        again = train_alone(wanted, frames, device="cpu", advance=steps.append)
        assert steps == expected
        assert same(again, first)
