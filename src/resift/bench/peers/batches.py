"""Padded batches of similar lengths, for the peers that get token ids: the best that plain padding can do."""

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from tokenizers import Tokenizer

from resift.bench.peers import Job, Pairs, Score

Inputs: TypeAlias = dict[str, np.ndarray]
"""`input_ids`, `attention_mask` and, for BERT, `token_type_ids`: int64 [batch, tokens]."""

_BATCH = 16


def by_length(job: Job, run: Callable[[list[Inputs]], list[np.ndarray]]) -> Score:
    """Return a function that tokenises pairs, sorts them by length and runs batches of 16, longest first.

    `run` gets all batches of a call and returns the logits of each.
    """
    tokenizer = Tokenizer.from_file(str(job.folder / "tokenizer.json"))
    tokenizer.enable_truncation(job.max_length)
    tokenizer.no_padding()
    pad_id, with_types = int(config(job)["pad_token_id"]), reads_types(job)

    def score(pairs: Pairs) -> np.ndarray:
        encodings = tokenizer.encode_batch_fast(pairs)
        ids = [encoding.ids for encoding in encodings]
        places = list(_batches([len(item) for item in ids]))
        batches = [_pad([ids[i] for i in some], pad_id) for some in places]
        if with_types:
            for some, batch in zip(places, batches, strict=True):
                types = [encodings[i].type_ids for i in some]
                batch["token_type_ids"] = _pad(types, 0)["input_ids"]
        logits = np.empty(len(ids), dtype=np.float32)
        for some, found in zip(places, run(batches), strict=True):
            logits[some] = found.reshape(-1)
        return logits

    return score


def config(job: Job) -> dict[str, int]:
    """Return config.json, of which whole numbers are read."""
    values: dict[str, int] = json.loads((job.folder / "config.json").read_text(encoding="utf-8"))
    return values


def reads_types(job: Job) -> bool:
    """Whether the model tells query and document apart by token types."""
    return config(job).get("type_vocab_size", 1) > 1


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for start in range(0, len(order), _BATCH):
        yield order[start : start + _BATCH]


def _pad(rows: list[list[int]], fill: int) -> Inputs:
    longest = max(len(row) for row in rows)
    padded = np.full((len(rows), longest), fill, dtype=np.int64)
    mask = np.zeros_like(padded)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": padded, "attention_mask": mask}
