"""transformers' models from audiocraft's files, and the reverse."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import PipelineError
from pipeline.subjects.layouts import codec, files, language_model
from pipeline.subjects.layouts.files import CODEC_FILE, LM_FILE, Checkpoint


class Parts(NamedTuple):
    """transformers' modules, without the text encoder."""

    decoder: Any
    """`MusicgenForCausalLM`."""
    codec: Any
    """`EncodecModel`."""
    projection: dict[str, Any]
    """`weight` and `bias` of the text projection; empty if the checkpoint has none."""
    text_name: str
    """Name of its T5 in the checkpoint; empty if it has no T5."""
    guidance: float
    """The checkpoint's own guidance scale."""


class Checkpoints(NamedTuple):
    """audiocraft's two files."""

    lm: Checkpoint
    codec: Checkpoint


def checkpoints_in(folder: Path) -> Checkpoints:
    """Read a folder of audiocraft's files."""
    return Checkpoints(files.read(folder / LM_FILE), files.read(folder / CODEC_FILE))


def text_name_of(cfg: dict[str, Any]) -> str:
    """Name of the T5 that a checkpoint is conditioned on; empty if there is none."""
    description = (cfg.get("conditioners") or {}).get("description") or {}
    t5 = description.get("t5") or {}
    return str(t5.get("name", "")) if description.get("model") == "t5" else ""


def parts_of(checkpoints: Checkpoints) -> Parts:
    """transformers' modules with the weights of audiocraft's files."""
    lm, codes = checkpoints
    config = language_model.decoder_config(lm.cfg)
    state = language_model.to_transformers(lm.state)
    projection = {
        name.rpartition(".")[2]: state.pop(name)
        for name in [n for n in state if n.startswith("enc_to_dec_proj.")]
    }
    guidance = (lm.cfg.get("classifier_free_guidance") or {}).get("inference_coef", 3.0)
    return Parts(
        _decoder(config, state),
        _codec(codec.codec_config(codes.cfg), codec.to_transformers(codes.state)),
        projection,
        text_name_of(lm.cfg),
        float(guidance),
    )


def checkpoints_of(model: Any) -> Checkpoints:
    """audiocraft's files for a `MusicgenForConditionalGeneration`.

    They do not contain its text encoder, as audiocraft's own do not.
    """
    config = model.config
    state = model.state_dict()
    decoder = _under(state, "decoder.") | {
        name: tensor for name, tensor in state.items() if name.startswith("enc_to_dec_proj.")
    }
    if not any(name.startswith("enc_to_dec_proj.") for name in decoder):
        decoder |= _identity(config.decoder.hidden_size)
    lm_config, codec_config = config.decoder.to_dict(), config.audio_encoder.to_dict()
    guidance = getattr(model.generation_config, "guidance_scale", None)
    return Checkpoints(
        Checkpoint(
            language_model.training_config(lm_config, float(guidance or 3.0)),
            language_model.to_audiocraft(decoder, config.decoder.num_hidden_layers),
        ),
        Checkpoint(
            codec.training_config(codec_config, model.audio_encoder.config.num_quantizers),
            codec.to_audiocraft(
                _under(state, "audio_encoder."),
                len(codec_config["upsampling_ratios"]),
                codec_config["num_residual_layers"],
            ),
        ),
    )


def _decoder(config: dict[str, Any], state: dict[str, Any]) -> Any:
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    return loaded(MusicgenForCausalLM(MusicgenDecoderConfig(**config)), state, "language model")


def _codec(config: dict[str, Any], state: dict[str, Any]) -> Any:
    from transformers import EncodecConfig, EncodecModel

    return loaded(EncodecModel(EncodecConfig(**config)), state, "codec")


def loaded(model: Any, state: dict[str, Any], what: str) -> Any:
    """The model with these tensors, frozen; raises `PipelineError` if they do not fit its
    config."""
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        first_lines = " ".join(str(error).split())[:200]
        raise PipelineError(f"the {what}'s tensors do not fit its config: {first_lines}") from error
    return model.eval().requires_grad_(False)


def _under(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _identity(width: int) -> dict[str, Any]:
    """The text projection where the text encoder is as wide as the decoder: transformers has none,
    audiocraft needs one, so it is the identity."""
    import torch

    return {"enc_to_dec_proj.weight": torch.eye(width), "enc_to_dec_proj.bias": torch.zeros(width)}
