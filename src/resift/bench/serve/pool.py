"""The requests that are sent: seeded, all different, so that no cache and no equal pair in flight helps anybody."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from resift.bench.workload import make_workload, single_token_words

_SEED = 11
_QUERY_WORDS = 12
_SINGLE_TOKENS = 128


@dataclass(frozen=True)
class Request:
    """One query with its documents.

    Attributes:
        tokens: of all pairs, special ones included.
    """

    query: str
    documents: list[str]
    tokens: int

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs."""
        return [(self.query, document) for document in self.documents]


@dataclass(frozen=True)
class Pool:
    """Requests of one size: of the same token lengths each, in another order, of other words.

    Attributes:
        name: what reports call it.
        documents: in each request.
    """

    name: str
    documents: int
    requests: Sequence[Request]


def make_pool(tokenizer: Tokenizer, *, documents: int, requests: int, seed: int = _SEED) -> Pool:
    """Make a pool; documents have the lengths of the workload `rag`, a single one makes a pair of 128 tokens."""
    lengths = [_SINGLE_TOKENS] if documents == 1 else make_workload("rag", tokenizer, pairs=documents).tokens
    words = single_token_words(tokenizer, seed=seed)
    special = tokenizer.num_special_tokens_to_add(is_pair=True)
    random = np.random.RandomState(seed + documents)
    made = []
    for _ in range(requests):
        order = random.permutation(len(lengths))
        texts = [" ".join(random.choice(words, lengths[i] - _QUERY_WORDS - special)) for i in order]
        made.append(Request(" ".join(random.choice(words, _QUERY_WORDS)), texts, sum(lengths)))
    return Pool(f"{documents}", documents, made)
