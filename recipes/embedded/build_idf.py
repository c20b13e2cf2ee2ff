"""Stage 3: how rare grams and tokens are: uint8 idf tables for the matcher.

A term's frequency is its greatest share of the texts of any one language and kind of text: what is a function word in
one language, or everywhere in one field, is not evidence in another.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from texts import Texts
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
from resift.text.grams import GramTable
from resift.text.matching import IDF_STEP, slots
from resift.text.sounds import SIZE, SoundTable


def shares(values: list[NDArray[np.uint64]]) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """Return the distinct values of many texts and the share of the texts that have each."""
    keys, counts = np.unique(np.concatenate([np.unique(v) for v in values]), return_counts=True)
    return keys, (counts - 0.5) / (len(values) + 1)


def quantised(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return -log(share) in steps of the tables."""
    return np.clip(np.rint(-np.log(np.maximum(share, 1e-9)) / IDF_STEP), 0, 255).astype(np.uint8)


def main() -> None:
    """Count per language, keep the greatest share, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--slots", type=int, default=1 << 20)
    parser.add_argument("--rarest", type=float, default=7e-4, help="shares below this count as this")
    parser.add_argument("--sample", type=int, default=12_000, help="texts of one group")
    arguments = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    cut, texts, rng = GramTable(tokenizer), Texts(arguments.texts), np.random.default_rng(0)
    sound = SoundTable(cut.characters)
    table = np.full(arguments.slots, arguments.rarest)
    sounds = np.full(SIZE, arguments.rarest)
    tokens = np.full(tokenizer.get_vocab_size(), arguments.rarest)
    lengths = np.diff(texts.offsets)
    kind = np.zeros(len(texts), np.int8)
    kind[texts.pairs[:, 1]] = texts.pairs[:, 2]
    groups = texts.language.astype(int) * 3 + kind
    for group in np.unique(groups):
        language = f"{texts.languages[group // 3]} {('translation', 'section', 'passage')[group % 3]}"
        mine = np.flatnonzero((groups == group) & (lengths >= 12))
        if len(mine) < 900:
            continue
        mine = rng.choice(mine, min(len(mine), arguments.sample), replace=False)
        grams = [cut(texts[i]) for i in mine]
        for values in ([g.coarse for g in grams], [g.fine for g in grams]):
            keys, share = shares(values)
            keys, share = keys[share > arguments.rarest], share[share > arguments.rarest]
            for slot in slots(keys, arguments.slots):
                np.maximum.at(table, slot, share)
        keys, share = shares([sound(texts[i]).astype(np.uint64) for i in mine])
        np.maximum.at(sounds, keys.astype(np.int64), share)
        keys, share = shares([texts[i].astype(np.uint64) for i in mine])
        np.maximum.at(tokens, keys.astype(np.int64), share)
        print(language, len(mine), f"slots in use {np.mean(table > arguments.rarest):.3f}", flush=True)
    np.savez(arguments.out, gram_idf=quantised(table), token_idf=quantised(tokens), sound_idf=quantised(sounds))


if __name__ == "__main__":
    main()
