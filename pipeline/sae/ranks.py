"""One training by several processes, each of which reads its share of every batch (`torchrun`).

Every process has all weights and both moments of Adam, and adds up its gradients with those of the
others before each step, so that all make the same step. What a step decides by the whole batch is
decided over all processes: which latents are dead, what the threshold of `batch-topk` is, the L0 of
`jumprelu`'s penalty, the norm at which gradients are clipped, the figures of the curve. The sums
are those of one process in another order.

Not `DistributedDataParallel`: it averages over processes, of which some may have a frame more than
others, and a step here is more than the forward pass of one module. What it saves, adding up while
the backward pass goes on, is little with two large tensors.
"""

from __future__ import annotations

import atexit
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from pipeline import devices
from pipeline.errors import PipelineError

PATIENCE = timedelta(days=1)
"""How long processes wait for one that is alive, such as the first while it evaluates an SAE. One
that ends is noticed at once."""


class Ranks(Protocol):
    """This process among those of one training."""

    count: int
    """Number of processes."""
    first: bool
    """Whether this is the process that writes."""

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of the rows of a batch, the same number for all but for one row.

        Raises `PipelineError` if there are fewer rows than processes.
        """

    def total(self, own: Tensor) -> Tensor:
        """The sum over all processes; `own` may be overwritten."""

    def mean(self, own: Tensor) -> Tensor:
        """The mean of values [row] over the rows of all processes. Its gradient reaches this
        process's rows: summed over processes, gradients are those of the mean."""

    def gathered(self, own: Tensor) -> Tensor:
        """The rows of all processes."""

    def agreed(self, own: Any) -> Any:
        """The first process's value: any JSON."""

    def overwrite(self, tensors: Iterable[Tensor]) -> None:
        """Copy the first process's tensors into those of all others."""


class Alone:
    """One process, which is the whole training."""

    count, first = 1, True

    def share(self, rows: Tensor) -> Tensor:
        """All rows."""
        return rows

    def total(self, own: Tensor) -> Tensor:
        """The tensor itself."""
        return own

    def mean(self, own: Tensor) -> Tensor:
        """The mean."""
        return own.mean()

    def gathered(self, own: Tensor) -> Tensor:
        """The rows themselves."""
        return own

    def agreed(self, own: Any) -> Any:
        """The value itself."""
        return own

    def overwrite(self, tensors: Iterable[Tensor]) -> None:
        """Nothing to copy."""


ALONE = Alone()


class Joined:
    """The processes that torchrun started; `joined` makes it.

    All of them must call the same methods in the same order. A method raises `PipelineError` if
    another process has ended.
    """

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.first = self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """Neighbouring rows."""
        if len(rows) < self.count:
            raise PipelineError(
                f"a batch has {len(rows)} frames, fewer than the {self.count} processes that share "
                "it: start fewer"
            )
        return torch.tensor_split(rows, self.count)[self.rank]

    def total(self, own: Tensor) -> Tensor:
        """Summed in place."""
        with _together():
            dist.all_reduce(_rows_first(own))
        return own

    def mean(self, own: Tensor) -> Tensor:
        """The value is that of all rows, the gradient that of this process's part of the sum."""
        part = own.sum()
        both = self.total(torch.stack([part.detach(), part.new_tensor(float(len(own)))]))
        return (part - part.detach() + both[0]) / both[1]

    def gathered(self, own: Tensor) -> Tensor:
        """In the order of the processes."""
        lengths = torch.zeros(self.count, dtype=torch.int64, device=own.device)
        lengths[self.rank] = len(own)
        sizes = self.total(lengths).tolist()
        # All must send equally much: shorter parts are filled up, and cut afterwards.
        filled = own.new_zeros(max(sizes), *own.shape[1:])
        filled[: len(own)] = own
        parts = [torch.empty_like(filled) for _ in sizes]
        with _together():
            dist.all_gather(parts, filled)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    def agreed(self, own: Any) -> Any:
        """Sent as JSON, which keeps every digit of a float."""
        data = torch.tensor(list(json.dumps(own).encode()), dtype=torch.uint8)
        size = torch.tensor([len(data)])
        self.overwrite([size])
        if not self.first:
            data = torch.empty(int(size), dtype=torch.uint8)
        self.overwrite([data])
        return json.loads(bytes(data.tolist()))

    def overwrite(self, tensors: Iterable[Tensor]) -> None:
        """One after another, in place."""
        with _together():
            for tensor in tensors:
                dist.broadcast(_rows_first(tensor.detach()), src=0)


def joined(device: str) -> Joined:
    """This process and the others of torchrun; tensors are on `device` or on the CPU.

    Raises `PipelineError` if they do not find one another.
    """
    if not dist.is_initialized():
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
        with _together():
            # torchrun's store still has the addresses of the processes before a restart.
            store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
            prefix = f"attempt {devices.attempt()}"
            store = dist.PrefixStore(prefix, store)  # type: ignore[attr-defined]  # exported by *
            dist.init_process_group(
                backend, store=store, rank=rank, world_size=count, timeout=PATIENCE
            )
        atexit.register(dist.destroy_process_group)
    return Joined()


@contextmanager
def _together() -> Iterator[None]:
    """Raise `PipelineError` for what torch raises if a process cannot be reached."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise PipelineError(
            f"another process of this training has ended or cannot be reached ({reason:.160}); the "
            "same command continues from the last snapshot, as torchrun --max-restarts does"
        ) from error


def _rows_first(tensor: Tensor) -> Tensor:
    """A view of the tensor that lies in memory in the order of its rows: W_enc does not."""
    return tensor if tensor.is_contiguous() else tensor.T
