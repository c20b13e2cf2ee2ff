"""A query and a document's text become token sequences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from tokenizers import Encoding, Tokenizer

from resift.text.truncation import Limits, split, window_bounds
from resift.types import Int32, ModelSpec, TokenSequence, Windows

# A text is read only as far as its tokens are needed, by this many characters per token: the longest pieces
# of the vocabularies in use have about 16, most tokens 1 to 5.
_CHARACTERS_PER_TOKEN = 24
# Tokens near the cut may differ from those of the whole text, so this many beyond the needed ones are read.
_MARGIN = 64


class PairFeatures(Protocol):
    """Match features of a model that was trained with them: pure functions of token ids."""

    def encode_query(self, query_ids: Int32) -> Any:
        """Return what `match` wants to know of a query."""

    def match_many(self, query: Any, documents: Sequence[Int32]) -> list[tuple[Int32, Int32, float]]:
        """Return the query's token types, the document's token types, and the prior logit for each document."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query's tokens, without special ones, and its match features when the model reads them."""

    ids: Int32
    features: Any = None


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A document's tokens, without special ones.

    Attributes:
        ids: int32 [tokens].
        offsets: the [start, end) characters of each token in the text; None for texts that are not read whole, whose
            windows nobody wants to know.
        complete: False when the text was read only as far as the longest sequence needs.
    """

    ids: Int32
    offsets: Sequence[tuple[int, int]] | None
    complete: bool


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """The sequences of one pair: one, or one per window.

    Attributes:
        sequences: in the order of the text.
        spans: the [start, end) characters of the document's text that each one covers; none without windows.
        truncated: tokens of the query or the document are in none of them.
    """

    sequences: tuple[TokenSequence, ...]
    spans: tuple[tuple[int, int], ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is left of a pair: the query, and the document or its windows."""

    query: EncodedQuery
    documents: list[Int32]
    spans: tuple[tuple[int, int], ...]
    truncated: bool


class PairEncoder:
    """Encode pairs for one model under one truncation policy. Safe from many threads: nothing in it changes."""

    def __init__(
        self, tokenizer: Tokenizer, spec: ModelSpec, *, limits: Limits, features: PairFeatures | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._spec = spec
        self._limits = limits
        self._features = features
        self._room = limits.max_length - spec.special_tokens
        self._special = np.array([spec.cls_id, *[spec.sep_id] * (spec.separators + 1)], dtype=np.int32)

    def encode(
        self,
        pairs: Sequence[tuple[str, str]],
        *,
        windows: Windows | None = None,
        queries: dict[str, EncodedQuery] | None = None,
    ) -> list[EncodedPair]:
        """Encode pairs, each different text once; `queries` holds those that are known, and gets the new ones."""
        known = queries if queries is not None else {}
        for query, _ in pairs:
            if query not in known:
                known[query] = self.encode_query(query)
        documents = list(dict.fromkeys(document for _, document in pairs))
        texts = dict(zip(documents, self.encode_texts(documents, whole=windows is not None), strict=True))
        cuts = [self._cut(known[query], texts[document], windows) for query, document in pairs]
        sequences = self._join_all([(cut.query, ids) for cut in cuts for ids in cut.documents])
        return [EncodedPair(tuple(next(sequences) for _ in cut.documents), cut.spans, cut.truncated) for cut in cuts]

    def encode_query(self, text: str) -> EncodedQuery:
        """Tokenise a query once for all its documents."""
        ids = self._read(text).ids
        return EncodedQuery(ids, self._features.encode_query(ids) if self._features else None)

    def encode_texts(self, texts: Iterable[str], *, whole: bool) -> list[EncodedText]:
        """Tokenise documents, as far as a truncated sequence can use them or to their end."""
        if whole:
            encodings = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
            return [_text(encoding, offsets=encoding.offsets) for encoding in encodings]
        items = list(texts)
        short = [text for text in items if len(text) <= self._prefix_length]
        read = map(_text, self._tokenizer.encode_batch_fast(short, add_special_tokens=False))
        return [next(read) if len(text) <= self._prefix_length else self._read(text) for text in items]

    def read_to(self, query: str, document: str) -> int:
        """Return how many characters of the document the pair's sequence holds, when it is not read in windows."""
        asked = _at_most(len(self.encode_query(query).ids), self._limits.query_tokens)
        length = min(len(document), self._prefix_length)
        while True:
            encoding = self._tokenizer.encode(document[:length], add_special_tokens=False)
            _, room = split(asked, _at_most(len(encoding), self._limits.document_tokens), self._room, self._limits)
            if room < len(encoding):
                return encoding.offsets[room][0]
            if length == len(document):
                return length
            length = min(len(document), length * 4)

    def _cut(self, query: EncodedQuery, text: EncodedText, windows: Windows | None) -> _Cut:
        """Cut a pair to what fits; raises LengthError when windows are asked for and the query fills all."""
        asked = _at_most(len(query.ids), self._limits.query_tokens)
        length = _at_most(len(text.ids), self._limits.document_tokens)
        kept, room = split(asked, length, self._room, self._limits)
        bounds = [(0, room)]
        if windows is not None:
            kept, room = min(asked, self._limits.query_max_length), length
            bounds = window_bounds(length, self._room - kept, windows)
        complete = text.complete and room == len(text.ids)
        cut = self._shorten(query, kept)
        return _Cut(
            query=cut,
            documents=[text.ids[start:end] for start, end in bounds],
            spans=tuple(_span(text.offsets, start, end) for start, end in bounds) if text.offsets is not None else (),
            truncated=not (complete and cut is query),
        )

    def _shorten(self, query: EncodedQuery, length: int) -> EncodedQuery:
        if length == len(query.ids):
            return query
        ids = query.ids[:length]
        return EncodedQuery(ids, self._features.encode_query(ids) if self._features else None)

    def _join_all(self, pairs: Sequence[tuple[EncodedQuery, Int32]]) -> Iterator[TokenSequence]:
        """Yield the sequence of each pair; neighbours that share a query are matched in one go."""
        if self._features is None:
            for query, document in pairs:
                yield self._join(query, document)
            return
        for _, group in groupby(pairs, key=lambda pair: id(pair[0])):
            same = list(group)
            found = self._features.match_many(same[0][0].features, [document for _, document in same])
            for (query, document), (query_types, document_types, prior) in zip(same, found, strict=True):
                ids = self._fill(query.ids, document, self._special)
                yield TokenSequence(ids, self._fill(query_types, document_types, np.zeros_like(self._special)), prior)

    def _join(self, query: EncodedQuery, document: Int32) -> TokenSequence:
        """Build the sequence of a model without match features."""
        ids = self._fill(query.ids, document, self._special)
        if self._spec.document_type == 0:
            return TokenSequence(ids)
        types = np.zeros(len(ids), dtype=np.int32)
        types[len(ids) - len(document) - 1 :] = self._spec.document_type
        return TokenSequence(ids, types)

    def _fill(self, query: Int32, document: Int32, special: Int32) -> Int32:
        """Build `[CLS] query [SEP] ([SEP]) document [SEP]` with these special values."""
        begin = len(query) + len(special) - 1
        filled = np.empty(begin + len(document) + 1, dtype=np.int32)
        filled[0] = special[0]
        filled[1 : 1 + len(query)] = query
        filled[1 + len(query) : begin] = special[1:-1]
        filled[begin:-1] = document
        filled[-1] = special[-1]
        return filled

    @property
    def _prefix_length(self) -> int:
        return (self._limits.max_length + _MARGIN) * _CHARACTERS_PER_TOKEN

    def _read(self, text: str) -> EncodedText:
        """Tokenise as much of a text as `max_length` tokens and a margin need.

        Subtle: the prefix ends at white space where there is some, so that no word is cut; without any, the
        tokens next to the cut may be others than in the whole text, and the margin keeps them out.
        """
        length = self._prefix_length
        while length < len(text):
            space = max(text.rfind(" ", length // 2, length), text.rfind("\n", length // 2, length))
            encoding = self._encode(text[: space if space > 0 else length])
            if len(encoding) >= self._limits.max_length + _MARGIN:
                return _text(encoding, complete=False)
            length *= 4
        return _text(self._encode(text))

    def _encode(self, text: str) -> Encoding:
        """Tokenise without offsets, which take a seventh of the time."""
        return self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0]


def _text(
    encoding: Encoding, *, offsets: Sequence[tuple[int, int]] | None = None, complete: bool = True
) -> EncodedText:
    return EncodedText(np.array(encoding.ids, dtype=np.int32), offsets, complete)


def _at_most(length: int, most: int | None) -> int:
    return length if most is None else min(length, most)


def _span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    if start >= end:
        return (0, 0)
    return offsets[start][0], offsets[end - 1][1]
