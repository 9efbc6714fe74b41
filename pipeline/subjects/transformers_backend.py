"""MusicGen in transformers (`MusicgenForConditionalGeneration`).

Source: transformers' modeling_musicgen.py; Copet et al., arXiv 2306.05284. Heavy libraries are
imported where they are used, so that a fingerprint does not import torch. A folder of audiocraft's
own files is converted when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.files import weights
from pipeline.subjects import sources
from pipeline.subjects.backend import Backend
from pipeline.subjects.base import SubjectFacts
from pipeline.subjects.layouts.files import is_audiocraft

COMPUTED = ("embed_positions.weights", "text_encoder.encoder.embed_tokens.weight")
"""Tensors that a file may lack: sinusoids, and T5's second name for its token embedding."""

if TYPE_CHECKING:
    import torch

    from pipeline.subjects.layouts.build import Parts
    from pipeline.subjects.text import TextEncoder


class TransformersSubject(Backend):
    """The backend `transformers`: see `pipeline.subjects.base.Subject`."""

    def __init__(self, config: SubjectConfig, *, device: str = "cpu") -> None:
        import torch

        from pipeline.subjects.hooks import ResidualStream

        self._folder = sources.folder_of(config.model)
        self._device = device
        self._whole: Any = None
        self._parts: Parts | None = None
        self._tokenizer: Any = None
        language_model = self._load(config)
        self._precision: torch.dtype = getattr(torch, config.precision)
        language_model.to(device, self._precision).eval().requires_grad_(False)
        self._codec.to(device)
        language_model.register_forward_pre_hook(self._cast_text_states, with_kwargs=True)
        self._language_model = language_model
        self._decoder = language_model.model.decoder
        self._check_supported()
        self.facts = self._read_facts(sources.fingerprint_of(config))
        self.stream = ResidualStream(self._decoder.layers)

    @staticmethod
    def fingerprint_of(config: SubjectConfig) -> str:
        """Hash of weights, config and control, without loading the model."""
        return sources.fingerprint_of(config)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] int64 of mono audio [batch, sample] at `sample_rate`."""
        import torch

        # Residual vector quantisation (Défossez et al., EnCodec, arXiv 2210.13438): each codebook
        # quantises what the ones before left over, so the first K of all are what K alone give.
        bandwidth = max(self._codec.config.target_bandwidths)
        with torch.inference_mode():
            output = self._codec.encode(audio[:, None].to(self._device), bandwidth=bandwidth)
        codes: torch.Tensor = output.audio_codes[0, :, : self.facts.n_codebooks]
        return codes.cpu()

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Residual stream [batch, frame, d] float32 at each hookpoint, on the CPU.

        Unconditional: MusicGen's null condition is zeros and its attention has no biases, so
        cross-attention would add zeros; without encoder states the blocks skip it, which is the
        same. Raises `PipelineError` if the decoder has no such block.
        """
        import torch

        from pipeline.subjects.delay import delayed_ids, frames_of_steps

        ids = delayed_ids(codes, special=int(self._decoder.config.pad_token_id))
        given = {"input_ids": ids.flatten(0, 1).to(self._device), "use_cache": False}
        with torch.inference_mode():
            found = self.stream.read(hookpoints, lambda: self._decoder(**given))
        return {name: frames_of_steps(hidden).float().cpu() for name, hidden in found.items()}

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [batch, codebook, step, card] over delayed codes [batch, codebook, step]."""
        found = self._language_model(input_ids=ids.flatten(0, 1), use_cache=False).logits
        logits: torch.Tensor = found.unflatten(0, ids.shape[:2])
        return logits

    def codec_latents(self, codes: torch.Tensor) -> torch.Tensor:
        """Σ_q e_q[code_q], the sum of the codes' vectors [batch, frame, d] float32, on the CPU."""
        import torch

        with torch.inference_mode():
            # transformers' quantizer wants the codebooks first.
            latents = self._codec.quantizer.decode(codes.transpose(0, 1).to(self._device))
        return torch.Tensor(latents.transpose(1, 2).float().cpu())

    @property
    def special(self) -> int:
        """The token where a codebook holds no code."""
        return int(self._decoder.config.pad_token_id)

    def text_states(self, prompt: str) -> torch.Tensor:
        """What cross-attention reads of a prompt, [token, d]."""
        import torch

        model = self._whole_model()
        tokens = self._tokenizer([prompt], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            states = model.text_encoder(**tokens).last_hidden_state
            # As in transformers' forward: no projection where the widths are equal.
            if hasattr(model, "enc_to_dec_proj"):
                states = model.enc_to_dec_proj(states)
        found: torch.Tensor = states[0]
        return found

    @contextmanager
    def stepping(
        self, states: torch.Tensor | None
    ) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
        """Forward passes, one step at a time, with the steps before in a cache."""
        cache: Any = None

        def forward(newest: torch.Tensor) -> torch.Tensor:
            nonlocal cache
            output = self._language_model(
                input_ids=newest.reshape(-1, 1).to(self._device), encoder_hidden_states=states,
                past_key_values=cache, use_cache=True,
            )  # fmt: skip
            cache = output.past_key_values
            logits: torch.Tensor = output.logits[:, 0].unflatten(0, newest.shape)
            return logits

        yield forward

    def play(self, codes: torch.Tensor) -> torch.Tensor:
        """Audio [row, sample] float32, on the CPU, of codes [row, codebook, frame]."""
        import torch

        with torch.inference_mode():
            played = self._codec.decode(codes[None].to(self._device), [None]).audio_values
        return torch.Tensor(played[:, 0].float().cpu())

    def _whole_model(self) -> Any:
        """Language model, codec and text encoder in one, built when first needed."""
        from pipeline.subjects.text import encoder_of, tokenizer_of

        if self._whole is None:
            if self._parts is None or not self._parts.text_name:
                raise PipelineError(
                    f"subject {self._folder} has no text encoder, so it cannot generate"
                )
            text = encoder_of(self._folder, self._parts.text_name)
            self._whole = whole_model(self._parts, text)
            self._tokenizer = text.tokenizer
        if self._tokenizer is None:
            self._tokenizer = tokenizer_of(self._folder)
        return self._whole.to(self._device)

    def _cast_text_states(
        self, _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Convert text states to the decoder's precision; the text encoder stays in float32."""
        states = kwargs.get("encoder_hidden_states")
        if states is not None:
            kwargs["encoder_hidden_states"] = states.to(self._precision)
        return args, kwargs

    def _load(self, config: SubjectConfig) -> Any:
        """The language model; the codec and the other parts become attributes."""
        if is_audiocraft(self._folder) and not sources.is_transformers(self._folder):
            from pipeline.subjects.layouts.build import checkpoints_in, parts_of

            if config.control == "random":
                raise PipelineError(
                    "a random control needs transformers' layout: python -m pipeline convert"
                )
            self._parts = parts_of(checkpoints_in(self._folder))
            self._codec = self._parts.codec
            return self._parts.decoder
        self._whole = load(self._folder)
        if config.control == "random":
            self._whole = _randomised(self._whole, self._folder, config.control_seed)
        self._whole.eval().requires_grad_(False)
        self._codec = self._whole.audio_encoder
        return self._whole.decoder

    def _check_supported(self) -> None:
        channels = getattr(self._decoder.config, "audio_channels", 1)
        if channels != 1:
            raise PipelineError(
                f"the subject has {channels} audio channels; only mono is supported"
            )
        if self._codec.config.chunk_length_s is not None:
            raise PipelineError("the subject's codec works in chunks, which is not supported")

    def _read_facts(self, fingerprint: str) -> SubjectFacts:
        codec, decoder = self._codec.config, self._decoder.config
        return SubjectFacts(
            fingerprint=fingerprint,
            sample_rate=int(codec.sampling_rate),
            frame_rate=codec.sampling_rate / prod(codec.upsampling_ratios),
            n_codebooks=int(decoder.num_codebooks),
            n_blocks=int(decoder.num_hidden_layers),
            codec_width=int(codec.codebook_dim),
            width=int(decoder.hidden_size),
        )


def whole_model(parts: Parts, text: TextEncoder) -> Any:
    """One `MusicgenForConditionalGeneration` from its parts.

    Raises `PipelineError` if transformers has no place for the checkpoint's text projection.
    """
    import torch
    from transformers import MusicgenForConditionalGeneration

    model = MusicgenForConditionalGeneration(
        text_encoder=text.model, audio_encoder=parts.codec, decoder=parts.decoder
    )
    # The projection of T5's states to the decoder's width.
    weight, bias = parts.projection["weight"], parts.projection["bias"]
    if hasattr(model, "enc_to_dec_proj"):
        with torch.no_grad():
            model.enc_to_dec_proj.weight.copy_(weight)
            model.enc_to_dec_proj.bias.copy_(bias)
    elif bias.any() or not torch.equal(weight, torch.eye(len(weight))):
        raise PipelineError(
            f"the text encoder is as wide as the decoder ({text.model.config.d_model}): "
            "transformers then leaves out the text projection that this checkpoint has"
        )
    special = parts.decoder.config.pad_token_id
    model.generation_config.update(
        pad_token_id=special, bos_token_id=special, decoder_start_token_id=special,
        guidance_scale=parts.guidance,
    )  # fmt: skip
    return model.eval().requires_grad_(False)


def load(folder: Path) -> Any:
    """The model in a local folder in transformers' layout, in float32.

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
        model, info = MusicgenForConditionalGeneration.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True,
            output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise PipelineError(f"subject folder {folder} cannot be loaded: {first_line}") from error
    held = weights.names_in(folder.glob(sources.WEIGHTS))
    weights.refuse_incomplete(
        f"subject folder {folder}", info, held=held, unexpected=_unexpected_tensors(model, held),
        allowed=COMPUTED,
    )  # fmt: skip
    return model


def check(config: SubjectConfig) -> None:
    """Raise `PipelineError` if a subject in transformers' layout lacks a tensor, without loading
    it; a folder in audiocraft's layout is checked when it is loaded."""
    from transformers import AutoConfig, MusicgenForConditionalGeneration

    folder = sources.folder_of(config.model)
    if not sources.is_transformers(folder):
        return
    try:
        model_config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        first_line = str(error).strip().partition("\n")[0]
        raise PipelineError(f"subject folder {folder} cannot be loaded: {first_line}") from error
    if model_config.model_type == "musicgen":
        weights.refuse_unlike(
            f"subject folder {folder}", lambda: MusicgenForConditionalGeneration(model_config),
            weights.names_in(folder.glob(sources.WEIGHTS)), allowed=COMPUTED,
        )  # fmt: skip


def _unexpected_tensors(model: Any, held: set[str]) -> list[str]:
    """Tensors in the files that decoder and codec have no parameter for.

    transformers reports only some of them. It translates older names of weight norms by itself.
    """
    known = set(model.state_dict())
    found = []
    for name in held:
        ours = weights.modern_name(name)
        inside = ours.startswith(("decoder.", "audio_encoder."))
        if inside and ours not in known and not ours.endswith(COMPUTED):
            found.append(name)
    return found


def _randomised(model: Any, folder: Path, seed: int) -> Any:
    """The model with its decoder initialised at random, as before training.

    The folder's `init.json` says how; without one transformers' own initialisation is used.
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
