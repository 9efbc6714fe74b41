"""How a training step computes the encoder, the decoder and their gradients: by `[sae] kernel`.

All kernels have one interface (`base.Kernel`) and one result up to rounding; `dense` is the
reference that the others are tested against.

| kernel  | encoder                        | gradients         | for                               |
|---------|--------------------------------|-------------------|-----------------------------------|
| `dense` | fp32 product                   | dense products    | reading, tests, AuxK of few       |
| `exact` | fp32 product                   | over firing pairs | the default; CPU and GPU          |
| `bf16`  | bf16 product for candidates,   | over firing pairs | CPU with avx512_bf16, amx_bf16 or |
|         | whose values are fp32          |                   | ARM's bf16; GPU with bf16         |
| `int8`  | the same by 8-bit integers     | over firing pairs | CPU with avx512_vnni, avx_vnni or |
|         |                                |                   | amx_int8                          |

fp32 means fp32: TF32 stays off unless the caller allows it (`torch.backends.cuda.matmul`). On a
machine without the instructions `int8` is carried out by `bf16`, and that by `exact`, which differ
in the latents that are missed (`preselected.py`). Which kernel a run asks for is part of its key;
what a machine makes of it is not, like the last digits of fp32 sums, which depend on the processor
anyway. On a GPU torch runs the same operations, except the dot products of pairs (`pairs.dots`),
whose other way is tested on a CPU. No kernel was run on a GPU so far.
"""

from __future__ import annotations

from pipeline.registry import resolve
from pipeline.sae.kernels.base import Kernel
from pipeline.sae.kernels.machine import has_bf16, has_int8

# To add a kernel: a class with the interface of `base.Kernel`, a line here, its name in
# `pipeline.config.sections.KERNELS`, a row in the table above.
# `tests/pipeline/sae/test_kernels.py` compares every entry with `dense`.
KERNELS: dict[str, str] = {
    "exact": "pipeline.sae.kernels.exact.Exact",
    "bf16": "pipeline.sae.kernels.preselected.Bf16Candidates",
    "int8": "pipeline.sae.kernels.preselected.Int8Candidates",
    "dense": "pipeline.sae.kernels.dense.Dense",
}


def kernel_of(name: str, device: str) -> Kernel:
    """The kernel for a config's `[sae] kernel` on this machine.

    Raises `PipelineError` with the list of known names for an unknown one.
    """
    if name == "int8" and not has_int8(device):
        name = "bf16"
    if name == "bf16" and not has_bf16(device):
        name = "exact"
    kernel: Kernel = resolve(KERNELS, name, "SAE kernel")()
    return kernel
