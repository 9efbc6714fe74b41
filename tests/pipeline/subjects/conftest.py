"""A subject that listens to its prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

WORDS = ("<pad>", "</s>", "<unk>", "a", "slow", "fast", "piano", "Simple", "melody")


@pytest.fixture(scope="session")
def speaking_folder(subject_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random subject with a tokenizer, and cross-attention strong enough to be heard."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import MusicgenForConditionalGeneration, PreTrainedTokenizerFast

    model = MusicgenForConditionalGeneration.from_pretrained(subject_folder)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".encoder_attn." in name or name.startswith(("enc_to_dec_proj", "decoder.lm_heads")):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    model.generation_config.update(
        pad_token_id=64, bos_token_id=64, decoder_start_token_id=64, guidance_scale=3.0
    )
    folder = tmp_path_factory.mktemp("speaking")
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder
