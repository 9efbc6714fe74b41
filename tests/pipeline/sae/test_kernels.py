"""Every kernel has the reference's loss and gradients; bf16 and int8 say what they miss."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from pipeline.config import SaeConfig
from pipeline.config.sections import KERNELS as OF_CONFIG
from pipeline.errors import PipelineError
from pipeline.sae.kernels import KERNELS, kernel_of
from pipeline.sae.kernels.base import Encoder
from pipeline.sae.kernels.dense import Dense
from pipeline.sae.kernels.exact import Exact
from pipeline.sae.kernels.largest import largest
from pipeline.sae.kernels.machine import has_bf16, has_int8
from pipeline.sae.kernels.pairs import dots_by_bags, dots_by_samples
from pipeline.sae.kernels.preselected import Bf16Candidates, Int8Candidates
from pipeline.sae.model import TopKSae
from pipeline.sae.trainer import Training, Wanted
from pipeline.sae.variants import variant_of

FAST = {"exact": Exact, "bf16": Bf16Candidates}
if has_int8("cpu"):  # Others have no such product, or one that overflows.
    FAST["int8"] = Int8Candidates


@dataclass(frozen=True)
class Case:
    """Shapes and oddities of one comparison."""

    frames: int = 64
    width: int = 24
    n: int = 96
    k: int = 5
    aux_k: int = 4
    dead: int = 0
    """Number of latents that have not fired for long."""
    twins: bool = False
    """Latents 2 j and 2 j + 1 are the same, so that every value is there twice."""
    zeros: bool = False
    """Some frames are b_dec itself, and some latents have no weights."""
    prefixes: tuple[float, ...] = ()
    variant: str = "topk"


CASES = {
    "plain": Case(),
    "one frame, one dimension": Case(frames=1, width=1, n=3, k=2),
    "k is 1": Case(k=1),
    "k is n": Case(n=20, k=20),
    "aux of few dead": Case(dead=3),
    "aux of all that are dead": Case(dead=4),
    "aux of many dead": Case(dead=60),
    "every latent dead": Case(dead=96),
    "no aux": Case(dead=60, aux_k=0),
    "ties": Case(twins=True, k=6),
    "zero rows": Case(zeros=True, dead=40),
    "wide": Case(frames=33, width=7, n=500, k=9, dead=100),
    "Matryoshka": Case(prefixes=(0.1, 0.5)),
    "batch top-k": Case(variant="batch-topk", dead=60),
    "Matryoshka of batch top-k": Case(variant="batch-topk", prefixes=(0.25,)),
    "thresholds": Case(variant="jumprelu", n=200, dead=60),
}


def stepped(case: Case, kernel: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The error [frame, d] that a step begins with, and the gradients that it makes."""
    generator = torch.Generator().manual_seed(case.n + case.k)
    variant = variant_of(case.variant, case.k, case.n)
    sae = variant.sae(case.width)
    sae.initialise(generator, torch.randn(case.width, generator=generator))
    variant.begin(sae, torch.randn(case.frames, case.width, generator=generator))
    x = torch.randn(case.frames, case.width, generator=generator)
    with torch.no_grad():
        sae.W_enc.add_(0.1 * torch.randn(case.width, case.n, generator=generator))
        sae.b_enc.normal_(std=0.1, generator=generator)
        if case.twins:
            for weight in (sae.W_enc.T, sae.b_enc, sae.W_dec):
                weight[1::2] = weight[::2]
        if case.zeros:
            x[::3] = sae.b_dec
            sae.W_enc[:, ::4] = 0.0
            sae.b_enc[::4] = 0.0
    config = SaeConfig(
        steps=10, learning_rate=1e-3, aux_k=case.aux_k, aux_weight=0.5, kernel=kernel,
        prefixes=case.prefixes, variant=case.variant,
    )  # fmt: skip
    training = Training(Wanted(config, case.n, case.k, 0), sae)
    # Not `kernel_of`: the bf16 kernel is tested on machines without the instructions too.
    training._kernel = FAST.get(kernel, Dense)()
    training._silent_frames[torch.randperm(case.n, generator=generator)[: case.dead]] = 1e6
    training.step = 5
    error, _ = training._step(x)
    gradients = {}
    for name, weight in sae.named_parameters():
        assert weight.grad is not None
        # Which of two equal latents fires is not said: the sum over both is.
        shared = case.twins and name != "b_dec"
        rows = weight.grad.T if name == "W_enc" else weight.grad
        gradients[name] = rows[::2] + rows[1::2] if shared else rows
    return error, gradients


@pytest.mark.parametrize("kernel", FAST)
@pytest.mark.parametrize("case", CASES)
def test_a_step_is_the_references_to_five_digits(case: str, kernel: str) -> None:
    error, gradients = stepped(CASES[case], kernel)
    expected_error, expected = stepped(CASES[case], "dense")
    torch.testing.assert_close(error, expected_error, rtol=1e-5, atol=2e-6)
    for name, gradient in gradients.items():
        tolerance = 1e-5 * float(expected[name].abs().max()) + 1e-9
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize(("n", "k"), [(64, 1), (4096, 40), (1024, 16), (1000, 3), (20, 20)])
def test_the_largest_by_groups_are_the_largest(n: int, k: int) -> None:
    scores = torch.randn(50, n, generator=torch.Generator().manual_seed(n))
    # Many equal ones, then rows of nothing else.
    scores[:20] = scores[:20].round(decimals=1)
    scores[40:] = 0.0
    values, indices = largest(scores, k)
    expected = scores.topk(k, dim=1).values
    assert torch.equal(values.sort(dim=1, descending=True).values, expected)
    assert torch.equal(scores.gather(1, indices), values)
    assert (indices.sort(dim=1).values.diff(dim=1) > 0).all()


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_the_dot_products_of_pairs_are_the_same_in_both_ways(kind: torch.dtype) -> None:
    """One is for CPUs, one for GPUs; both run on a CPU."""
    generator = torch.Generator().manual_seed(0)
    x, rows = torch.randn(7, 5, generator=generator), torch.randn(9, 5, generator=generator)
    indices = torch.randint(0, 9, (7, 3), generator=generator).to(kind)
    expected = (x @ rows.T).gather(1, indices.long())
    for way in (dots_by_samples, dots_by_bags):
        torch.testing.assert_close(way(x, rows, indices), expected)


def test_every_kernel_is_compared_here_and_known_to_the_config() -> None:
    assert {*FAST, "dense", "int8"} == set(KERNELS) == set(OF_CONFIG)
    for name in KERNELS:
        kernel_of(name, "cpu")
    with pytest.raises(PipelineError, match="unknown SAE kernel 'sparse'; known: exact, bf16"):
        kernel_of("sparse", "cpu")


def test_without_the_instructions_the_next_kernel_is_used() -> None:
    bf16 = Bf16Candidates if has_bf16("cpu") else Exact
    assert type(kernel_of("bf16", "cpu")) is bf16
    assert type(kernel_of("int8", "cpu")) is (Int8Candidates if has_int8("cpu") else bf16)


@pytest.mark.parametrize("kernel", FAST)
@pytest.mark.parametrize("large", [1.0, 10.0])
def test_low_precision_misses_few_of_the_top_k_and_the_loss_stays(
    kernel: str, large: float
) -> None:
    """At d 256, n 2,048, k 32, at the start of a training; also with five dimensions that are ten
    times as large as the others."""
    generator = torch.Generator().manual_seed(0)
    sae = TopKSae(256, 2048, 32)
    sae.initialise(generator, torch.zeros(256))
    x = torch.randn(256, 256, generator=generator)
    x[:, :5] *= large
    encoder, found = Encoder.of(sae), {}
    for name, each in (("exact", Exact()), (kernel, FAST[kernel]())):
        latents = each.top(encoder, x, each.scores(encoder, x), 32)
        loss = (x - each.combine(latents, sae.W_dec)).square().mean().item()
        found[name] = (latents.dense(2048) > 0, loss)
    missed = (found["exact"][0] & ~found[kernel][0]).sum() / found["exact"][0].sum()
    assert missed < 1e-3
    assert found[kernel][1] == pytest.approx(found["exact"][1], rel=5e-4)
