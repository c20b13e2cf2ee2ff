"""A unigram tokenizer in a file that loads fast: tokenizer.safetensors, which `resift quantize` writes.

Most of the time that a large tokenizer.json takes goes into reading 250,000 pieces as JSON, twice over. Here they are
one text and one array of numbers, and the tokenizer is put together from them:

    settings uint8   tokenizer.json without its pieces, as zlib (RFC 1950) of UTF-8
    pieces   uint8   the pieces in the order of their ids, a line feed between them, likewise
    scores   uint8   their scores, little-endian float64, likewise
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import AddedToken, Tokenizer, models

from resift.loading.safetensors import read_safetensors

PIECES = "tokenizer.safetensors"
_LARGEST = 1 << 27


def read_pieces(file: Path) -> Tokenizer:
    """Return the tokenizer of `file`. Raises ValueError, KeyError or zlib.error when the file holds something else."""
    stored = read_safetensors(file)
    settings, pieces, scores = (_inflated(stored[name].data.tobytes()) for name in ("settings", "pieces", "scores"))
    values = np.frombuffer(scores, dtype="<f8").tolist()
    return assemble(json.loads(settings), list(zip(pieces.decode().split("\n"), values, strict=True)))


def _inflated(data: bytes) -> bytes:
    """Decompress, up to a size that no tokenizer has: a small file must not fill the memory."""
    reader = zlib.decompressobj()
    content = reader.decompress(data, _LARGEST)
    if not reader.eof:
        raise ValueError(f"a part of it is cut short or longer than {_LARGEST} bytes")
    return content


def to_arrays(settings: Mapping[str, Any], vocab: Sequence[tuple[str, float]]) -> dict[str, np.ndarray]:
    """Return the arrays of the file that `read_pieces` reads."""
    texts = {
        "settings": json.dumps(settings, ensure_ascii=False, separators=(",", ":")).encode(),
        "pieces": "\n".join(piece for piece, _ in vocab).encode(),
        "scores": np.array([score for _, score in vocab], dtype="<f8").tobytes(),
    }
    return {name: np.frombuffer(zlib.compress(text, 9), dtype=np.uint8) for name, text in texts.items()}


def separate(tokenizer: Tokenizer) -> tuple[dict[str, Any], list[tuple[str, float]]] | None:
    """Return the settings and the pieces that `assemble` makes the same tokenizer of; None when it cannot."""
    if not isinstance(tokenizer.model, models.Unigram):
        return None
    settings = json.loads(tokenizer.to_str())
    vocab = [(piece, score) for piece, score in settings["model"].pop("vocab")]
    if any("\n" in piece for piece, _ in vocab) or assemble(settings, vocab).to_str() != tokenizer.to_str():
        return None
    return settings, vocab


def assemble(settings: Mapping[str, Any], vocab: Sequence[tuple[str, float]]) -> Tokenizer:
    """Put a tokenizer together from the settings and pieces of `separate`."""
    model = settings["model"]
    # The library refuses a unigram model without pieces, so it reads one with a single piece and gets the real one.
    shell = {**settings, "added_tokens": [], "model": {**model, "unk_id": None, "vocab": [["", 0.0]]}}
    tokenizer = Tokenizer.from_str(json.dumps(shell, ensure_ascii=False))
    tokenizer.model = models.Unigram(list(vocab), model["unk_id"], model.get("byte_fallback", False))
    for token in settings["added_tokens"]:
        options = {name: token[name] for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        added = AddedToken(token["content"], **options)
        if token["special"]:
            tokenizer.add_special_tokens([added])
        else:
            tokenizer.add_tokens([added])
    return tokenizer
