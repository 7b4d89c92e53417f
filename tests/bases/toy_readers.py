"""What the toys of several families read and see with: T5, and an autoencoder with a shift."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from tests.toy_base import SIZE_PX


def make_t5_tokenizer() -> T5Tokenizer:
    """Letter by letter: sentencepiece's unigrams of one letter each."""
    letters = [chr(code) for code in range(33, 127)]
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("\u2581", -1.0)]
    return T5Tokenizer(vocab=[*words, *((letter, -1.0) for letter in letters)], extra_ids=0)


def make_t5(tokenizer: T5Tokenizer, width: int) -> T5EncoderModel:
    """As T5 1.1, which the large ones are."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=width // 2,
            d_ff=2 * width,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )


def make_shifted_autoencoder() -> AutoencoderKL:
    """Of 2-D latents, 4 px each, whose middle is not 0."""
    vae = AutoencoderKL(
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SIZE_PX,
        scaling_factor=4.0,
        shift_factor=0.1,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    with torch.no_grad():  # latents that say something of the picture: a small deviation of their own
        vae.encoder.conv_out.weight[4:] = 0
        vae.encoder.conv_out.bias[4:] = -8
    return vae
