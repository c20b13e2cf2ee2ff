"""Frozen records that the layers exchange. No logic beyond checks on themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Family: TypeAlias = Literal["xlm-roberta", "roberta", "bert"]
Activation: TypeAlias = Literal["gelu", "gelu_tanh", "relu"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16", "int8"]
Truncation: TypeAlias = Literal["flag", "longest_first"]
ScoreType: TypeAlias = Literal["raw", "sigmoid"]
Scale: TypeAlias = Literal["raw", "sigmoid", "calibrated"]
"""A score type, or the probability that a fitted calibration gives."""
Aggregate: TypeAlias = Literal["max", "mean", "top_k_mean"]

Document: TypeAlias = str | Mapping[str, object]
"""A text, or fields that a template turns into one."""

Pair: TypeAlias = Sequence[Document]
"""A query and a document."""

Float32: TypeAlias = npt.NDArray[np.float32]
Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The shape of an encoder with a one-score head.

    XLM-RoBERTa, RoBERTa and BERT differ in these fields alone: all are post-norm encoders whose head is
    `output(tanh(dense(x[first])))`.
    """

    family: Family
    layers: int
    hidden: int
    heads: int
    ffn: int
    vocab: int
    positions: int
    """Rows of the position table, the unused ones before `position_offset` included."""
    position_offset: int
    """Position id of the first token: 2 for the RoBERTa families, 0 for BERT."""
    types: int
    norm_eps: float
    activation: Activation
    cls_id: int
    sep_id: int
    separators: int
    """`sep_id` tokens between query and document: 2 for the RoBERTa families, 1 for BERT."""
    document_type: int
    """Token type of the document's tokens: 1 for BERT, 0 for the RoBERTa families."""

    @property
    def max_length(self) -> int:
        """The longest sequence, special tokens included, that the position table holds."""
        return self.positions - self.position_offset

    @property
    def special_tokens(self) -> int:
        """Special tokens in one encoded pair."""
        return 2 + self.separators


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Token sequences laid end to end, without padding: the contract between engine and backend.

    Attributes:
        ids: token ids, int32 [total_tokens].
        offsets: where each sequence starts, int64 [n + 1]; the last one is total_tokens.
        types: token types, int32 [total_tokens], or None when all are 0.
    """

    ids: Int32
    offsets: Int64
    types: Int32 | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One query with one document, or one window of it, as the model reads it.

    Attributes:
        ids: token ids with the special tokens, int32 [tokens].
        types: token types, int32 [tokens], or None when all are 0.
        prior: what is added to the network's logit (0 for models without a lexical prior).
    """

    ids: Int32
    types: Int32 | None = None
    prior: float = 0.0


@dataclass(frozen=True, slots=True)
class Windows:
    """How a long document is split: token windows that overlap, and what their scores become.

    Attributes:
        size: document tokens in a window; None uses all that the query leaves free.
        overlap: document tokens that a window shares with the one before it.
        aggregate: `max`, `mean`, or the mean of the `top_k` best windows.
        top_k: windows that `top_k_mean` averages.
    """

    size: int | None = None
    overlap: int = 64
    aggregate: Aggregate = "max"
    top_k: int = 3


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a long document that carried its score.

    Attributes:
        index: its place among the document's windows, from 0.
        count: how many windows the document has.
        start, end: the characters of the document's text that it covers.
        score: its own score, of the same type as the document's.
    """

    index: int
    count: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class PairScore:
    """The score of one pair and how it came about.

    Attributes:
        score: raw logit, sigmoid or calibrated probability, as asked.
        truncated: part of the query or the document was not read.
        window: the best window, when the document was scored in windows.
        error: why a server gave this pair no score, while it scored the others.
        pending: the deadline that a server was given came before this pair's score.
    """

    score: float
    truncated: bool = False
    window: Window | None = None
    error: str | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document's place in a ranking.

    Attributes:
        index: its place in the caller's list.
        score: raw logit, sigmoid or calibrated probability, as asked.
        document: the caller's own object.
        truncated: part of the query or the document was not read.
        window: the best window, when the document was scored in windows.
        error: why a server gave this document no score, while it ranked the others.
        pending: the deadline that a server was given came before this document's score.
    """

    index: int
    score: float
    document: Document
    truncated: bool = False
    window: Window | None = None
    error: str | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class ScoreInfo:
    """What a score depends on: equal infos and equal pairs give equal scores.

    Attributes:
        calibration: the name of the calibration, and of the group that was asked for; None for other scores.
    """

    model: str
    revision: str | None
    device: str
    backend: str
    precision: Precision
    kernel: str | None
    scores: Scale
    truncation: Truncation
    max_length: int
    calibration: str | None = None
