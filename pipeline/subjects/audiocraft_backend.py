"""MusicGen in audiocraft (`LMModel`, `EncodecModel`).

Source: audiocraft 1.3.0; Copet et al., arXiv 2306.05284. A folder of its own files is loaded as it
is; one in transformers' layout is converted when it is loaded. `subjects.import_stubs` says how
audiocraft runs on current packages.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

from pipeline.config import SubjectConfig
from pipeline.errors import PipelineError
from pipeline.subjects import sources
from pipeline.subjects.backend import Backend
from pipeline.subjects.base import SubjectFacts
from pipeline.subjects.layouts import build
from pipeline.subjects.layouts import codec as codec_format
from pipeline.subjects.layouts import language_model as lm_format

if TYPE_CHECKING:
    import torch

    from pipeline.subjects.layouts.build import Checkpoints
    from pipeline.subjects.text import TextEncoder

OVERRIDDEN_ARGUMENTS = {
    "memory_efficient": False, "custom": True, "checkpointing": "none",
    "weight_init": None, "depthwise_init": None, "zero_bias_init": False,
}  # fmt: skip
"""Arguments that change how the model computes and not what: audiocraft's plain attention (its fast
one needs xformers), no checkpoints for gradients, no random weights, which would be overwritten."""


class AudiocraftSubject(Backend):
    """The backend `audiocraft`: see `pipeline.subjects.base.Subject`."""

    def __init__(self, config: SubjectConfig, *, device: str = "cpu") -> None:
        import torch

        from pipeline.subjects.hooks import ResidualStream

        self._folder = sources.folder_of(config.model)
        self._device = device
        self._text: TextEncoder | None = None
        self._conditioned = False
        checkpoints = self._read(config)
        self._cfg = checkpoints.lm.cfg
        self._precision: torch.dtype = getattr(torch, config.precision)
        self._codec = _codec(checkpoints).to(device)
        self._lm = _language_model(checkpoints).to(device, self._precision)
        self.facts = self._read_facts(sources.fingerprint_of(config), checkpoints)
        self.stream = ResidualStream(self._lm.transformer.layers)

    @staticmethod
    def fingerprint_of(config: SubjectConfig) -> str:
        """Hash of weights, config and control, without loading the model."""
        return sources.fingerprint_of(config)

    def encode(self, audio: torch.Tensor) -> torch.Tensor:
        """Codes [batch, codebook, frame] int64 of mono audio [batch, sample] at `sample_rate`."""
        import torch

        with torch.inference_mode():
            codes, _ = self._codec.encode(audio[:, None].to(self._device))
        kept: torch.Tensor = codes[:, : self.facts.n_codebooks].cpu()
        return kept

    def activations(
        self, codes: torch.Tensor, hookpoints: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Residual stream [batch, frame, d] float32 at each hookpoint, on the CPU.

        Unconditional: under the null condition, zeros in place of text. Raises `PipelineError` if
        the decoder has no such block.
        """
        import torch

        from pipeline.subjects.delay import delayed_ids, frames_of_steps

        ids = delayed_ids(codes, special=self._lm.special_token_id).to(self._device)
        null = self._null_condition(len(codes))
        with torch.inference_mode():
            found = self.stream.read(hookpoints, lambda: self._lm(ids, [], null))
        return {name: frames_of_steps(hidden).float().cpu() for name, hidden in found.items()}

    def _logits(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [batch, codebook, step, card] over delayed codes [batch, codebook, step]."""
        logits: torch.Tensor = self._lm(ids, [], self._null_condition(len(ids)))
        return logits

    def codec_latents(self, codes: torch.Tensor) -> torch.Tensor:
        """Σ_q e_q[code_q], the sum of the codes' vectors [batch, frame, d] float32, on the CPU."""
        import torch

        with torch.inference_mode():
            latents = self._codec.quantizer.decode(codes.to(self._device))
        return torch.Tensor(latents.transpose(1, 2).float().cpu())

    @property
    def special(self) -> int:
        """The token where a codebook holds no code."""
        return int(self._lm.special_token_id)

    def text_states(self, prompt: str) -> torch.Tensor:
        """What cross-attention reads of a prompt, [token, d]."""
        import torch

        from pipeline.subjects.import_stubs import audiocraft

        self._load_text_encoder()
        attributes = audiocraft().modules.conditioners.ConditioningAttributes
        provider = self._lm.condition_provider
        with torch.inference_mode():
            tokens = provider.tokenize([attributes(text={"description": prompt})])
            states, _ = provider(tokens)["description"]
        found: torch.Tensor = states[0]
        return found

    @contextmanager
    def stepping(
        self, states: torch.Tensor | None
    ) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
        """Forward passes, one step at a time, with the steps before in audiocraft's own cache."""

        def forward(newest: torch.Tensor) -> torch.Tensor:
            # Without text its null condition, zeros.
            found = self._null_condition(len(newest))
            if states is not None:
                found = {"description": (states, states[..., 0])}
            logits: torch.Tensor = self._lm(newest[..., None].to(self._device), [], found)[:, :, 0]
            return logits

        with self._lm.streaming():
            yield forward

    def play(self, codes: torch.Tensor) -> torch.Tensor:
        """Audio [row, sample] float32, on the CPU, of codes [row, codebook, frame]."""
        import torch

        with torch.inference_mode():
            played = self._codec.decode(codes.to(self._device))
        return torch.Tensor(played[:, 0].float().cpu())

    def _null_condition(self, batch: int) -> dict[str, Any]:
        import torch

        zeros = torch.zeros(
            (batch, 1, self.facts.width), dtype=self._precision, device=self._device
        )
        return {"description": (zeros, zeros[..., 0])}

    def _load_text_encoder(self) -> None:
        """Load the text encoder into the language model, when it is first needed."""
        if self._conditioned:
            return
        from pipeline.subjects.layouts.build import text_name_of
        from pipeline.subjects.text import encoder_of

        if self._text is None:
            name = text_name_of(self._cfg)
            if not name:
                raise PipelineError(
                    f"subject {self._folder} has no text encoder, so it cannot generate"
                )
            self._text = encoder_of(self._folder, name)
        self._lm.condition_provider.conditioners["description"].set_encoder(
            self._text, self._device
        )
        self._conditioned = True

    def _read(self, config: SubjectConfig) -> Checkpoints:
        from pipeline.subjects.layouts.build import checkpoints_in, checkpoints_of

        if config.control == "random":
            raise PipelineError("a random control runs on the backend transformers")
        if not sources.is_transformers(self._folder):
            return checkpoints_in(self._folder)
        from pipeline.subjects.text import TextEncoder, tokenizer_of
        from pipeline.subjects.transformers_backend import load

        model = load(self._folder).eval().requires_grad_(False)
        if any((self._folder / name).is_file() for name in ("tokenizer.json", "spiece.model")):
            self._text = TextEncoder(model.text_encoder, tokenizer_of(self._folder))
        return checkpoints_of(model)

    def _read_facts(self, fingerprint: str, checkpoints: Checkpoints) -> SubjectFacts:
        seanet = codec_format.seanet_arguments(checkpoints.codec.cfg)
        return SubjectFacts(
            fingerprint=fingerprint,
            sample_rate=int(self._codec.sample_rate),
            frame_rate=self._codec.sample_rate / prod(seanet["ratios"]),
            n_codebooks=int(self._lm.n_q),
            n_blocks=len(self._lm.transformer.layers),
            width=int(self._lm.dim),
            codec_width=int(seanet["dimension"]),
        )


def _codec(checkpoints: Checkpoints) -> Any:
    """audiocraft's `EncodecModel` from its checkpoint."""
    from pipeline.subjects.import_stubs import audiocraft

    cfg = checkpoints.codec.cfg
    seanet = codec_format.seanet_arguments(cfg)
    trim = seanet.pop("trim_right_ratio", 1.0)
    package = audiocraft()
    with warnings.catch_warnings():
        # audiocraft uses the older of torch's two weight normalisations, which is deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        encoder = package.modules.SEANetEncoder(**seanet)
        decoder = package.modules.SEANetDecoder(**seanet, trim_right_ratio=trim)
    quantizer = package.quantization.ResidualVectorQuantizer(
        dimension=encoder.dimension, **cfg["rvq"]
    )
    model = package.models.encodec.EncodecModel(
        encoder, decoder, quantizer,
        frame_rate=cfg["encodec"]["sample_rate"] // prod(seanet["ratios"]),
        sample_rate=cfg["encodec"]["sample_rate"], channels=cfg["encodec"]["channels"],
        causal=cfg["encodec"].get("causal", False),
        renormalize=cfg["encodec"].get("renormalize", False),
    )  # fmt: skip
    return build.loaded(model, checkpoints.codec.state, "codec")


def _language_model(checkpoints: Checkpoints) -> Any:
    """audiocraft's `LMModel` from its checkpoint, its text conditioner without an encoder yet."""
    from pipeline.subjects.import_stubs import audiocraft

    cfg, package = checkpoints.lm.cfg, audiocraft()
    lm_format.decoder_config(cfg)  # refuses what is not MusicGen's kind
    arguments = {**cfg["transformer_lm"], **OVERRIDDEN_ARGUMENTS}
    arguments.pop("q_modeling", None)
    conditioners = package.modules.conditioners
    weight = checkpoints.lm.state.get(f"{lm_format.CONDITIONER}output_proj.weight")
    width = arguments["dim"] if weight is None else weight.shape[1]
    fuser = {"cross": ["description"], "prepend": [], "sum": [], "input_interpolate": []}
    patterns = package.modules.codebooks_patterns
    model = package.models.lm.LMModel(
        patterns.DelayedPatternProvider(arguments["n_q"]),
        conditioners.ConditioningProvider(
            {"description": _text_conditioner_class()(width, arguments["dim"])}
        ),
        conditioners.ConditionFuser(fuser),
        **arguments | {"cross_attention": True},
    )
    # A text conditioner other than T5 is left out: such a subject takes no prompt.
    state = {
        name: tensor
        for name, tensor in checkpoints.lm.state.items()
        if not name.startswith("condition_provider.") or ".output_proj." in name
    }
    return build.loaded(model, state, "language model")


def _text_conditioner_class() -> Any:
    """audiocraft's `T5Conditioner` with another constructor, since its own downloads T5 by name."""
    from pipeline.subjects.import_stubs import audiocraft

    package = audiocraft()
    conditioners = package.modules.conditioners

    base: Any = conditioners.T5Conditioner

    class LocalT5Conditioner(base):  # type: ignore[misc] # audiocraft is imported untyped
        """A T5 conditioner that gets its encoder later, from `set_encoder`."""

        def __init__(self, width: int, output_width: int) -> None:
            conditioners.TextConditioner.__init__(self, width, output_width)
            self.device, self.finetune, self.word_dropout = "cpu", False, 0.0
            self.normalize_text = False
            self.autocast = package.utils.autocast.TorchAutocast(enabled=False)

        def set_encoder(self, text: TextEncoder, device: str) -> None:
            """Encode with this T5; kept out of the module's parameters, as in audiocraft."""
            self.device, self.t5_tokenizer = device, text.tokenizer
            self.__dict__["t5"] = text.model.to(device)

    return LocalT5Conditioner
