"""MusicGen as transformers has it (`MusicgenForConditionalGeneration`).

Source: transformers' modeling_musicgen.py; Copet et al., arXiv 2306.05284. Heavy libraries are
imported where they are used, so that a fingerprint costs no import of torch.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import SubjectConfig
from pipeline.config_sections import parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.subjects import sources
from pipeline.subjects.base import SubjectFacts

if TYPE_CHECKING:
    import torch


Place = tuple[int, bool]
"""Block, and whether after it: places compare in the order in which a forward passes them."""


class _DeepestReached(Exception):  # noqa: N818 - no error: it ends a forward early
    """Everything asked for was read; the blocks further on need not run."""


class _Reading(threading.local):
    """What the forward of the current thread is to read. Hooks are made once, with the model, so
    that threads that share it neither see each other's forwards nor change hooks under them."""

    wanted: frozenset[Place] = frozenset()

    def begin(self, places: Iterable[Place]) -> None:
        self.wanted = frozenset(places)
        self.found: dict[Place, torch.Tensor] = {}

    def end(self) -> dict[Place, torch.Tensor]:
        self.wanted = frozenset()
        return self.found

    def pass_by(self, place: Place, hidden: torch.Tensor) -> None:
        """Keep what is wanted; raise `_DeepestReached` after the last of it."""
        if place in self.wanted:
            self.found[place] = hidden
            if place == max(self.wanted):
                raise _DeepestReached


class TransformersSubject:
    """The backend `transformers`: see `pipeline.subjects.base.Subject`."""

    def __init__(self, config: SubjectConfig, *, device: str = "cpu") -> None:
        import torch

        folder = sources.folder_of(config.model)
        self._device = device
        self._model = _load(folder)
        self._check_supported()
        if config.control == "random":
            self._model = _randomised(self._model, folder, config.control_seed)
        self._model.to(device).eval().requires_grad_(False)
        self._decoder = self._model.decoder.model.decoder.to(getattr(torch, config.precision))
        self.facts = self._read_facts(sources.fingerprint_of(config))
        self._reading = _Reading()
        self._hook()

    @staticmethod
    def fingerprint_of(config: SubjectConfig) -> str:
        """Hash of weights, config and control, without loading the model."""
        return sources.fingerprint_of(config)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] int64 of mono audio [batch, sample] at `sample_rate`."""
        import torch

        codec = self._model.audio_encoder
        # Residual quantisation: the first K codebooks of the highest bandwidth are those of K.
        bandwidth = max(codec.config.target_bandwidths)
        with torch.inference_mode():
            output = codec.encode(audio[:, None].to(self._device), bandwidth=bandwidth)
        codes: torch.Tensor = output.audio_codes[0, :, : self.facts.n_codebooks]
        return codes.cpu()

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Residual stream [batch, frame, d] float32 at each hookpoint, on the CPU.

        Unconditional: no encoder states are given, so blocks leave cross-attention out. MusicGen's
        null condition is zeros and its attention has no biases: it would add zeros. Raises
        `PipelineError` if a hookpoint lies deeper than the decoder.
        """
        import torch

        from pipeline.subjects.delay import delayed_ids, frames_of_steps

        places = {name: self._place(name) for name in hookpoints}
        ids = delayed_ids(codes, special=int(self._model.config.decoder.pad_token_id))
        self._reading.begin(places.values())
        try:
            with torch.inference_mode():
                self._decoder(input_ids=ids.flatten(0, 1).to(self._device), use_cache=False)
        except _DeepestReached:
            pass
        finally:
            found = self._reading.end()
        return {name: frames_of_steps(found[place]).float().cpu() for name, place in places.items()}

    def _hook(self) -> None:
        """Let every block show what enters it and what leaves it."""
        reading = self._reading
        for block, layer in enumerate(self._decoder.layers):
            before, after = (block, False), (block, True)
            layer.register_forward_pre_hook(
                lambda _module, inputs, place=before: reading.pass_by(place, inputs[0])
            )
            # A block hands on a bare tensor, not a tuple: output[0] would be batch item 0.
            layer.register_forward_hook(
                lambda _module, _inputs, output, place=after: reading.pass_by(place, output)
            )

    def _place(self, hookpoint: str) -> Place:
        block, site = parse_hookpoint(hookpoint)
        if block >= self.facts.n_blocks:
            raise PipelineError(
                f"hookpoint {hookpoint}: the subject has {self.facts.n_blocks} blocks, counted "
                f"from 0 to {self.facts.n_blocks - 1}"
            )
        return block, site == "resid_post"

    def _check_supported(self) -> None:
        config = self._model.config
        channels = getattr(config.decoder, "audio_channels", 1)
        if channels != 1:
            raise PipelineError(f"the subject has {channels} audio channels; only mono is read")
        if config.audio_encoder.chunk_length_s is not None:
            raise PipelineError("the subject's codec works in chunks, which is not supported")

    def _read_facts(self, fingerprint: str) -> SubjectFacts:
        codec, decoder = self._model.config.audio_encoder, self._model.config.decoder
        return SubjectFacts(
            fingerprint=fingerprint,
            sample_rate=int(codec.sampling_rate),
            frame_rate=codec.sampling_rate / prod(codec.upsampling_ratios),
            n_codebooks=int(decoder.num_codebooks),
            n_blocks=int(decoder.num_hidden_layers),
            width=int(decoder.hidden_size),
        )


def _load(folder: Path) -> Any:
    """The model in a local folder, all of it in float32.

    Raises `PipelineError` if the folder holds another kind of model or broken weights.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoConfig, MusicgenForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours is the only bar on the screen
    try:
        config = AutoConfig.from_pretrained(folder)
        if config.model_type != "musicgen":
            raise PipelineError(f"{folder} holds a model of type {config.model_type}, not musicgen")
        return MusicgenForConditionalGeneration.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise PipelineError(f"subject folder {folder} cannot be loaded: {first_line}") from error


def _randomised(model: Any, folder: Path, seed: int) -> Any:
    """The model with its decoder drawn anew, as it was before its training.

    The folder's `init.json` says how; without one transformers' own initialisation is taken.
    """
    import torch

    recipe = sources.initialisation(folder)
    if recipe:
        from pipeline.subjects.initialise import initialise_decoder

        initialise_decoder(model, seed=seed, **recipe)
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.decoder = type(model.decoder)(model.config.decoder)
    return model
