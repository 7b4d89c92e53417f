"""The tokenizer of the Qwen models at toy size: bytes, and a few words."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import Qwen2Tokenizer

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MAX_TOKENS = 2048


def make_tokenizer(words: Sequence[str] = (), special: Sequence[str] = SPECIAL) -> Qwen2Tokenizer:
    """Byte by byte, but each of `special`, and of `words` with the space before it, if any, is one token."""
    alphabet = _byte_letters()
    spelt = ["".join(alphabet[byte] for byte in word.encode()) for word in words]
    merges = list(dict.fromkeys((word[:end], word[end]) for word in spelt for end in range(1, len(word))))
    tokens = [*alphabet, *("".join(pair) for pair in merges), *special]
    return Qwen2Tokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=merges,
        extra_special_tokens=list(special[1:]),
        chat_template=CHAT,
        model_max_length=MAX_TOKENS,
    )


def _byte_letters() -> list[str]:
    """The letter by which byte-level BPE writes each byte: itself where it can be seen, else one past 255.

    Source: Radford et al., GPT-2 (2019), whose tokenizer all others of the kind follow.
    """
    seen = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    unseen = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 256 + unseen.index(byte)) for byte in range(256)]
