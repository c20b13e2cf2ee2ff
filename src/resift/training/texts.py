"""Texts become token sequences by the very encoder that scores; and what resift's own engine makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resift.engine.engine import Engine
from resift.engine.select import make_backend
from resift.errors import InputError
from resift.loading.checkpoint import Checkpoint
from resift.text.encode import PairEncoder
from resift.text.features import load_features
from resift.text.inputs import one_of, positive
from resift.text.truncation import Limits
from resift.training.settings import Settings
from resift.types import Float32, TokenSequence

_DEFAULT_MAX_LENGTH = 512
_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Encoder:
    """What turns pairs of texts into sequences, and the lengths that it cuts to."""

    encoder: PairEncoder
    limits: Limits

    def sequences(self, pairs: Sequence[tuple[str, str]]) -> list[TokenSequence]:
        """Return the one sequence of each pair."""
        return [pair.sequences[0] for pair in self.encoder.encode(pairs)]


def make_encoder(checkpoint: Checkpoint, settings: Settings) -> Encoder:
    """Return the encoder that a `Reranker` of these settings has. Raises InputError for lengths that do not fit."""
    spec = checkpoint.spec
    one_of("truncation", settings.truncation, ("flag", "longest_first"))
    longest = positive("max_length", settings.max_length, min(_DEFAULT_MAX_LENGTH, spec.max_length))
    if not spec.special_tokens + 2 <= longest <= spec.max_length:
        raise InputError(f"max_length is {longest}, expected {spec.special_tokens + 2} to {spec.max_length}")
    query = positive("query_max_length", settings.query_max_length, longest * 3 // 4)
    limits = Limits(longest, query, settings.truncation)
    features = load_features(checkpoint.config, checkpoint.source.folder, checkpoint.tokenizer)
    return Encoder(PairEncoder(checkpoint.tokenizer, spec, limits=limits, features=features), limits)


def engine_scores(checkpoint: Checkpoint, sequences: Sequence[TokenSequence]) -> Float32:
    """Return what resift's own engine gives in full precision, float32 [n]."""
    backend = make_backend(
        checkpoint.spec, checkpoint.tensors, backend=None, device=None, precision="fp32", threads=None
    )
    engine = Engine(backend, max_batch_tokens=_BATCH_TOKENS)
    try:
        return np.asarray(engine.score(list(sequences)), np.float32)
    finally:
        engine.close()
