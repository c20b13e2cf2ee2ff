"""A smaller vocabulary: the tokens that some languages or texts need, and a tokenizer of these."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from resift.loading.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens that stay.

    Attributes:
        kept: their ids in the original, ascending: the new id of each is its place.
        tokenizer: the tokenizer of the new ids.
    """

    kept: np.ndarray
    tokenizer: Tokenizer


def trim(checkpoint: Checkpoint, languages: Sequence[str] | None, texts: Sequence[str] | None) -> Vocabulary:
    """Return the tokens that `languages` and `texts` need; all when neither is given."""
    if languages is None and texts is None:
        return Vocabulary(np.arange(checkpoint.spec.vocab), checkpoint.tokenizer)
    raise NotImplementedError
