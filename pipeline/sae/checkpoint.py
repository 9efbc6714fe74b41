"""An SAE on disk, in the layout that SAELens loads as it is.

`cfg.json` and `sae_weights.safetensors` with W_enc, b_enc, W_dec, b_dec, named and shaped as in
`pipeline.sae.model`. Its architecture is `topk`, or `jumprelu` with a further tensor `threshold`
[n] (`ThresholdSae`). The scale s of the training is folded in. With normalised x / s:

    z = (x / s − b_dec) W_enc + b_enc   ⇒   s z = (x − s b_dec) W_enc + s b_enc
    x̂ / s = z W_dec + b_dec             ⇒   x̂ = s z W_dec + s b_dec

So both biases are multiplied by s and the weights stay: the stored SAE reads raw activations,
reconstructs raw ones, keeps its unit-norm decoder, and picks the same latents, since s > 0 changes
neither TopK nor ReLU, and a threshold is multiplied by s too. A stored latent's value is the
normalised one times `activation_scale`, s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from pipeline.errors import PipelineError
from pipeline.store.run_directory import RunDirectory
from pipeline.store.writers import Writer

if TYPE_CHECKING:
    import numpy as np

    from pipeline.sae.model import TopKSae

ARCHITECTURES = ("topk", "jumprelu")
LAYOUT_VERSION = "6.0.0"
"""Version of SAELens whose configuration format this is."""


@dataclass(frozen=True)
class SaeFacts:
    """Where an SAE reads, on which subject, and in what units. Part of `cfg.json`'s metadata."""

    hookpoint: str
    subject_fingerprint: str
    delay_mapping: str
    frame_rate: float
    """Frames per second."""
    first_frame: int
    """Audio frame of an activation file's first row."""
    activation_scale: float
    """A raw activation is a normalised one times this."""
    last_batch_variance_explained: float | None = None
    """On the last training batch; None where it is not known."""
    validation_fvu: float | None = None
    """Fraction of variance unexplained on validation frames; see `pipeline.sae.evaluate`."""
    validation_l0: float | None = None
    """Latents above 0 per validation frame, on average."""
    validation_dead_share: float | None = None
    """Share of the latents that fire in no validation frame."""
    validation_dense_share: float | None = None
    """Share of the latents that fire in more than a tenth of the validation frames."""
    validation_cosine: float | None = None
    """Mean cosine between validation frames and their reconstructions, both less b_dec."""


@dataclass(frozen=True)
class StoredSae:
    """An SAE read back; `sae` works on raw activations."""

    name: str
    sae: TopKSae
    facts: SaeFacts


def _weights_path(name: str) -> str:
    return f"sae/{name}/sae_weights.safetensors"


def cfg_path(name: str) -> str:
    """Path of an SAE's configuration, relative to the run directory."""
    return f"sae/{name}/cfg.json"


def save(
    writer: Writer,
    name: str,
    sae: TopKSae,
    facts: SaeFacts,
    training: Mapping[str, Any] | None = None,
    *,
    raw: bool = False,
    densities: Sequence[int] = (),
) -> None:
    """Write a trained SAE (in normalised units) for raw activations, the scale folded in.

    `raw`: it reads raw activations already. `training` (how it was trained) and `densities` (on
    validation frames, as in `pipeline.sae.evaluate`) go into the metadata for whoever reads them.
    """
    from pipeline.sae.adopted import Adopted
    from pipeline.sae.model import ThresholdSae

    scale = 1.0 if raw else facts.activation_scale
    arrays = {
        "W_enc": sae.W_enc.detach(),
        "b_enc": sae.b_enc.detach() * scale,
        "W_dec": sae.W_dec.detach(),
        "b_dec": sae.b_dec.detach() * scale,
    }
    if isinstance(sae, Adopted):
        # SAELens' own values, which `load` multiplies by the norms again.
        arrays["W_dec"] = arrays["W_dec"] * sae.norms[:, None]
    if isinstance(sae, ThresholdSae):
        arrays["threshold"] = sae.threshold * scale
    tensors = {key: value.contiguous().numpy() for key, value in arrays.items()}
    writer.write_tensors(_weights_path(name), tensors)
    writer.write_json(cfg_path(name), _cfg(sae, facts, training or {}, densities))


def load(directory: RunDirectory, name: str) -> StoredSae:
    """Read an SAE of the run; raises `PipelineError` if it is missing or of the wrong kind."""
    import numpy as np
    import torch

    from pipeline.sae.adopted import Adopted

    cfg = _read_cfg(directory, name)
    architecture = cfg.get("architecture")
    if architecture not in ARCHITECTURES:
        raise PipelineError(
            f"SAE {name} is of architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}"
        )
    has_threshold = architecture == "jumprelu"
    # 1) Shapes must be those that cfg.json states.
    d, n, k = shape_of(directory, name)
    shapes: dict[str, tuple[int, ...]] = {
        "W_enc": (d, n), "b_enc": (n,), "W_dec": (n, d), "b_dec": (d,)
    }  # fmt: skip
    if has_threshold:
        shapes["threshold"] = (n,)
    weights = directory.tensor_file(_weights_path(name))
    for key, shape in shapes.items():  # copy_ would broadcast a tensor of another shape
        found = weights.shape(key) if key in weights else None
        if found != shape:
            raise PipelineError(
                f"SAE {name}: {key} is {found or 'missing'}, its cfg.json has {shape}"
            )
    if k > n:
        raise PipelineError(f"SAE {name}: its k is {k}, more than its {n} latents")
    # 2) Into the model, whose names and shapes are the file's; one tensor at a time, since one
    #    may be half a gigabyte. Every number must be finite.
    sae = _empty(name, cfg, d, n, k)
    with torch.no_grad():
        for key in shapes:
            tensor = weights.read(key)
            if not np.isfinite(tensor).all():
                raise PipelineError(f"SAE {name}: {key} holds numbers that are not finite")
            getattr(sae, key).copy_(torch.from_numpy(tensor))
            del tensor
        if isinstance(sae, Adopted):
            sae.norms.copy_(sae.W_dec.norm(dim=1).clamp_min(1e-8))
            sae.W_dec.div_(sae.norms[:, None])
    return StoredSae(name, sae.requires_grad_(False), read_facts(directory, name))


def directions(directory: RunDirectory, stored: StoredSae, latents: Sequence[int]) -> np.ndarray:
    """Rows of W_dec [latent, d] of an SAE that has released it."""
    import numpy as np

    from pipeline.sae.adopted import Adopted

    weights = directory.tensor_file(_weights_path(stored.name))
    rows = [weights.read("W_dec", latent, latent + 1) for latent in latents]
    found = np.concatenate([*rows, np.zeros((0, weights.shape("W_dec")[1]), np.float32)])
    if isinstance(stored.sae, Adopted):
        found /= stored.sae.norms[latents].cpu().numpy()[:, None]
    return found


def _empty(name: str, cfg: Mapping[str, Any], d: int, n: int, k: int) -> TopKSae:
    """An SAE of the class that `cfg.json` states, its weights not yet filled in."""
    from pipeline.sae.adopted import AdoptedThreshold, AdoptedTopK
    from pipeline.sae.foreign.parts import NORMALISATIONS
    from pipeline.sae.model import ThresholdSae, TopKSae

    has_threshold = cfg["architecture"] == "jumprelu"
    normalise = cfg.get("normalize_activations", "none")
    if normalise not in NORMALISATIONS:
        raise PipelineError(
            f"SAE {name}: normalize_activations in its cfg.json is {normalise!r:.60}; known: "
            f"{', '.join(NORMALISATIONS)}"
        )
    if normalise == "none" and not _metadata(name, cfg).get("norms_after"):
        return ThresholdSae(d, n, k) if has_threshold else TopKSae(d, n, k)
    sae = AdoptedThreshold(d, n, k) if has_threshold else AdoptedTopK(d, n, k)
    sae.normalise = normalise
    return sae


def shape_of(directory: RunDirectory, name: str) -> tuple[int, int, int]:
    """Dimensions d, latents n and latents per frame k, without loading the weights."""
    cfg = _read_cfg(directory, name)
    k_holder = _metadata(name, cfg) if cfg.get("architecture") == "jumprelu" else cfg
    return _count(name, cfg, "d_in"), _count(name, cfg, "d_sae"), _count(name, k_holder, "k")


def read_facts(directory: RunDirectory, name: str) -> SaeFacts:
    """What `cfg.json` says about where an SAE belongs, without loading its weights."""
    metadata = _metadata(name, _read_cfg(directory, name))
    # SAEs of earlier versions have fewer figures.
    known = [
        field.name
        for field in fields(SaeFacts)
        if field.default is MISSING or field.name in metadata
    ]
    facts = SaeFacts(**{key: metadata.get(key) for key in known})  # type: ignore[arg-type]
    _check_kinds(name, facts)
    return facts


def _metadata(name: str, cfg: Mapping[str, Any]) -> dict[str, Any]:
    metadata = cfg.get("metadata")
    if not isinstance(metadata, dict):
        raise PipelineError(f"SAE {name}: its cfg.json has no metadata that Earwitness wrote")
    return metadata


def _check_kinds(name: str, facts: SaeFacts) -> None:
    """Raise `PipelineError` if part of the metadata is missing or of the wrong type."""
    for key, kind in get_type_hints(SaeFacts).items():
        value = getattr(facts, key)
        # JSON writes a float that is whole as an int.
        if not isinstance(value, kind | int if isinstance(0.0, kind) else kind):
            raise PipelineError(f"SAE {name}: {key} in its cfg.json is {value!r:.60}")


def _read_cfg(directory: RunDirectory, name: str) -> dict[str, Any]:
    cfg = directory.read_json(cfg_path(name))
    if not isinstance(cfg, dict):
        raise PipelineError(f"SAE {name}: its cfg.json holds no JSON object")
    return cfg


def _count(name: str, cfg: Mapping[str, Any], key: str) -> int:
    """A number of dimensions or latents."""
    value = cfg.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PipelineError(
            f"SAE {name}: {key} in its cfg.json is {value!r:.60}; it must be a whole number from 1"
        )
    return value


def refuse_mismatch(name: str, facts: SaeFacts, **found: str) -> None:
    """Raise `PipelineError` if activations are not those that the SAE was trained on.

    `found` has `subject_fingerprint`, `hookpoint` or `delay_mapping` of what it should read.
    """
    for key, value in found.items():
        wanted = getattr(facts, key)
        if value != wanted:
            raise PipelineError(
                f"SAE {name} belongs to {key} {wanted} and cannot read activations of {value}"
            )


def _cfg(
    sae: TopKSae, facts: SaeFacts, training: Mapping[str, Any], densities: Sequence[int]
) -> dict[str, Any]:
    from pipeline.sae.adopted import Adopted
    from pipeline.sae.model import ThresholdSae

    adopted = isinstance(sae, Adopted)
    # SAELens' configuration of `jumprelu` has no k and no norms of the decoder.
    of_topk = not isinstance(sae, ThresholdSae)
    return {
        "architecture": "topk" if of_topk else "jumprelu",
        "d_in": sae.W_dec.shape[1],
        "d_sae": sae.n_latents,
        **({"k": sae.k} if of_topk else {}),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": sae.normalise if isinstance(sae, Adopted) else "none",
        "reshape_activations": "none",
        **({"rescale_acts_by_decoder_norm": False} if of_topk else {}),
        "metadata": {
            "sae_lens_version": LAYOUT_VERSION,
            "sae_lens_training_version": None,
            "hook_name": facts.hookpoint,
            **asdict(facts),
            **({"validation_densities": list(densities)} if densities else {}),
            "k": sae.k,
            **({"norms_after": True} if adopted else {}),
            "training": dict(training),
        },
    }
