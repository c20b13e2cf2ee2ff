"""Seeded pairs of known length, made of the tokenizer's own words, so that no data set is needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

_SEED = 7
_QUERY_TOKENS = 12
_CANDIDATES = 20_000
_WORDS = 4_000


@dataclass(frozen=True)
class Workload:
    """Pairs of texts and how many tokens each has, special ones included."""

    name: str
    pairs: list[tuple[str, str]]
    tokens: list[int]


def make_workload(name: str, tokenizer: Tokenizer, *, pairs: int | None = None, seed: int = _SEED) -> Workload:
    """Make a workload.

    Args:
        name: `rag` (one query, 100 documents, lognormal lengths, about 147 tokens a pair on average, 512 at most),
            `uniform-128` (64 pairs), `uniform-512` (16 pairs), `single` (one pair of 128 tokens), `ten` (ten of them).
        tokenizer: of the model; its special tokens and vocabulary are used.
        pairs: another number of pairs.
        seed: of all that is random.
    """
    lengths = _lengths(name, pairs, np.random.RandomState(seed))
    words = single_token_words(tokenizer, seed=seed)
    random = np.random.RandomState(seed + 1)
    query = " ".join(random.choice(words, _QUERY_TOKENS))
    special = tokenizer.num_special_tokens_to_add(is_pair=True)
    texts = [" ".join(random.choice(words, length - _QUERY_TOKENS - special)) for length in lengths]
    workload = Workload(name, [(query, text) for text in texts], lengths)
    _check(workload, tokenizer)
    return workload


def given_workload(name: str, pairs: Sequence[tuple[str, str]], tokenizer: Tokenizer, *, max_length: int) -> Workload:
    """Make a workload of the caller's pairs, as far as `max_length` tokens of each are read."""
    encoded = tokenizer.encode_batch(list(pairs))
    return Workload(name, list(pairs), [min(len(encoding.ids), max_length) for encoding in encoded])


NAMES = ("rag", "uniform-128", "uniform-512", "single", "ten")


def single_token_words(tokenizer: Tokenizer, *, seed: int) -> list[str]:
    """Return texts without spaces that are one token each, wherever they stand: a random choice of the vocabulary.

    Words of one token in a row could merge into others, so words are only kept when they survive in company.
    """
    random = np.random.RandomState(seed)
    size = tokenizer.get_vocab_size()
    candidates = [tokenizer.id_to_token(int(i)) for i in random.permutation(size)[:_CANDIDATES]]
    texts = [piece.lstrip("▁Ġ") for piece in candidates if piece]
    texts = [text for text in dict.fromkeys(texts) if text.isalpha()]
    words = _of_one_token(tokenizer, texts)
    if not words:
        raise ValueError("the tokenizer has no word of one token: workloads cannot be made with it")
    return words[:_WORDS]


def _of_one_token(tokenizer: Tokenizer, texts: list[str]) -> list[str]:
    before = tokenizer.encode_batch([f"{text} {text} {text}" for text in texts], add_special_tokens=False)
    return [text for text, e in zip(texts, before, strict=True) if len(e.ids) == 3 and len(set(e.ids[1:])) == 1]


def _lengths(name: str, pairs: int | None, random: np.random.RandomState) -> list[int]:
    """Return tokens a pair, special ones included."""
    default, tokens = {
        "rag": (100, None), "uniform-128": (64, 128), "uniform-512": (16, 512), "single": (1, 128), "ten": (10, 128),
    }[name]  # fmt: skip
    count = default if pairs is None else pairs
    if tokens is not None:
        return [tokens] * count
    # Lognormal: most passages are short and a few long; the mean is about 131 tokens.
    document = np.clip(np.exp(np.log(108) + 0.6 * random.randn(count)), 16, 496)
    return [int(length) + _QUERY_TOKENS + 4 for length in document]


def _check(workload: Workload, tokenizer: Tokenizer) -> None:
    encoded = tokenizer.encode_batch(list(workload.pairs))
    off = [(len(e.ids), n) for e, n in zip(encoded, workload.tokens, strict=True) if len(e.ids) != n]
    if off:
        raise ValueError(f"{workload.name}: {len(off)} pairs are not as long as planned, e.g. {off[0]}")
