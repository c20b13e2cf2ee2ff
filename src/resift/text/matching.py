"""Match features of a query and a document, from their token ids alone.

A small network ranks poorly where the words themselves decide, so the embedded model adds what the words say: a *prior*
logit, and for every token a *type* that tells the network how well the other text matches it. Both depend on the two id
sequences only, never on other candidates, so a pair keeps its score in any batch, and windows of a long document need
no special care.

Sums are over integers or float64 in a fixed order; vectors are int8, and their products exact in float32, so no result
depends on how a matrix product is split. BM25: Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tokenizers
from numpy.typing import NDArray

from resift.loading.safetensors import read_safetensors
from resift.text.grams import Grams, GramTable, Ids, Ints, Keys
from resift.text.meaning import SIMILAR, Meaning, Rows, TokenVectors, best_tokens, cosines
from resift.text.sounds import SIZE, SoundTable

Floats = NDArray[np.float64]
Types = NDArray[np.int32]

VERSION = 2
IDF_STEP = 1 / 24  # one step of the uint8 idf tables
K1, B, USUAL_LENGTH = 0.9, 0.4, 300.0
WINDOWS = (80, 200)  # widths in characters; a character of a dense script counts as three
# Token types: 0 special tokens; then 16 for each side: without letters, or 5 match levels x 3 rarities.
QUERY_TYPE, DOCUMENT_TYPE, TYPES = 1, 17, 33
RARITY = (2.5, 5.0)  # idf limits between the rarities of a token
LEAST_APART = 0.3  # share of letters in other scripts from which on sounds are compared
PARTLY, FULLY = 0.4, 0.99  # matched shares of a token's letters for level 3, 4
TOKENS_AT_ONCE = 2048  # whose characters, as integers of 64 bits, stay in a core's cache
_PRIOR = ("mean", "scale", "skip", "w1", "b1", "w2")
FEATURES = (
    "coarse_bm25", "coarse_saturation", "coarse_flat", "fine_saturation", "token_saturation", "bigram_cover",
    "window_short", "window_long", "digit_cover", "same_script", "similar_mean", "similar_rare", "similar_low",
    "similar_weighted", "bag", "bag_window", "cross_similar", "cross_weighted", "cross_bag", "cross_window",
    "cross_sound", "brevity",
)  # fmt: skip


class Terms(NamedTuple):
    """Distinct terms of a query, sorted; one unused entry at the end stands for 'not in the query'."""

    keys: Keys  # [u + 1]
    weight: Floats  # [u + 1], the last 0
    total: float

    def locate(self, values: Keys) -> Ints:
        """Return the term of every value, u where the query has none."""
        at = np.searchsorted(self.keys[:-1], values)
        at[self.keys[at] != values] = len(self.keys) - 1
        return at

    def occurrences(self, at: Ints) -> Ints:
        """Return how often each term was found, 0 for the entry at the end."""
        count = np.bincount(at, minlength=len(self.keys))
        count[-1] = 0
        return count

    def cover(self, count: Ints) -> float:
        """Return the weighted share of the terms that were found."""
        return float(self.weight[count > 0].sum()) / self.total

    def saturation(self, count: Ints, k: float) -> float:
        """Return the weighted mean of count * (k + 1) / (count + k): BM25 over its greatest value."""
        return float((self.weight * (count * (K1 + 1) / (count + k))).sum()) / (self.total * (K1 + 1))


@dataclass(frozen=True)
class QueryFeatures:
    """What the pairs of one query share."""

    ids: Ids
    grams: Grams
    coarse: Terms
    at: Ints  # [n] term of each coarse gram of the query itself
    digit: Floats  # [u + 1] weight of the terms that begin with a digit
    flat: Terms  # the coarse terms, weighted by the root of their idf: among texts on one topic rare words say less
    fine: Terms
    tokens: Terms
    bigrams: Terms
    idf: Floats  # [tokens]
    meaning: Meaning
    sounds: Ints  # sound grams
    sound_idf: Floats  # [sound grams]
    scripts: Floats  # [scripts] shares of the letters


class Matcher:
    """Match features of a pair: token types and a lexical prior, both from token ids alone."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Prepare the tables; `tensors` are those of `matching.safetensors`."""
        self._cut = GramTable(tokenizer)
        self._gram_idf = tensors["gram_idf"]  # a million slots, of which a pair needs hundreds: scaled when looked up
        self._token_idf = tensors["token_idf"].astype(np.float64) * IDF_STEP
        self._rarity = np.searchsorted(RARITY, self._token_idf).astype(np.int32)
        self._vectors = TokenVectors(tensors["vectors"], tensors["scales"])
        self._sounds = SoundTable(self._cut.characters)
        self._sound_idf = tensors["sound_idf"].astype(np.float64) * IDF_STEP
        self._prior = [tensors[f"prior.{name}"].astype(np.float64) for name in _PRIOR]
        self._check(tokenizer.get_vocab_size())

    def _check(self, size: int) -> None:
        mean, scale, skip, w1, b1, w2 = self._prior
        features, hidden = len(FEATURES), len(b1)
        shapes = {
            "token_idf": (self._token_idf.shape, (size,)),
            "vectors": ((len(self._vectors),), (size,)),
            "sound_idf": (self._sound_idf.shape, (SIZE,)),
            "prior.mean": (mean.shape, (features,)),
            "prior.scale": (scale.shape, (features,)),
            "prior.skip": (skip.shape, (features + 1,)),
            "prior.w1": (w1.shape, (features, hidden)),
            "prior.w2": (w2.shape, (hidden,)),
        }
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f"matching table {name} has shape {found}, expected {expected}")
        slots = len(self._gram_idf)
        if slots < 2 or slots & (slots - 1):
            raise ValueError(f"matching table gram_idf has {slots} slots, expected a power of two")

    @classmethod
    def load(cls, config: Mapping[str, object], folder: Path, tokenizer: tokenizers.Tokenizer) -> Matcher:
        """Read the tables that `config` (`config.json["resift"]["matching"]`) names in `folder`.

        Raises:
            ValueError: the version is not known, or a table is missing or does not fit the tokenizer.

        """
        version = config.get("version")
        if version != VERSION:
            raise ValueError(f"matching version {version!r} is not known, expected {VERSION}")
        tensors: dict[str, NDArray[Any]] = {}
        for name in (config.get("vectors"), config.get("file")):
            if not isinstance(name, str) or Path(name).name != name:
                raise ValueError(f"matching file {name!r} is no plain file name")
            tensors |= {key: tensor.array() for key, tensor in read_safetensors(folder / name).items()}
        needed = {"gram_idf", "token_idf", "sound_idf", "vectors", "scales", *(f"prior.{p}" for p in _PRIOR)}
        if missing := needed - tensors.keys():
            raise ValueError(f"matching tables {sorted(missing)} are missing in {folder}")
        return cls(tokenizer, tensors)

    def encode_query(self, query_ids: Ids) -> QueryFeatures:
        """Return what all pairs of one query share; `query_ids` int[nq] without special tokens."""
        ids = np.asarray(query_ids, np.int64)
        grams = self._cut(ids)
        coarse = _terms(grams.coarse, self.gram_idf(grams.coarse))
        at = coarse.locate(grams.coarse)
        digit = np.zeros(len(coarse.keys))
        digit[at[grams.digit]] = coarse.weight[at[grams.digit]]
        idf, sounds = self._token_idf[ids], np.unique(self._sounds(ids))
        return QueryFeatures(
            ids, grams, coarse, at, digit,
            flat=_weighted(coarse.keys, np.sqrt(coarse.weight)),
            fine=_terms(grams.fine, self.gram_idf(grams.fine)),
            tokens=_terms(ids.astype(np.uint64), idf),
            bigrams=_terms(_bigrams(ids), idf[:-1] + idf[1:]),
            idf=idf,
            meaning=self._vectors.query(ids),
            sounds=sounds,
            sound_idf=self._sound_idf[sounds],
            scripts=_shares(self._cut.scripts[ids]),
        )  # fmt: skip

    def match(self, query: QueryFeatures, document_ids: Ids) -> tuple[Types, Types, float]:
        """Return query types int32[nq], document types int32[nd] and the prior's logit.

        `document_ids` int[nd] without special tokens; [CLS] and both [SEP] have type 0.
        """
        return self.match_many(query, [document_ids])[0]

    def match_many(self, query: QueryFeatures, documents: Sequence[Ids]) -> list[tuple[Types, Types, float]]:
        """Return what `match` returns for each document, in less time for many."""
        texts = [np.asarray(ids, np.int64) for ids in documents]
        return [self._match(query, ids, grams) for ids, grams in zip(texts, self._cut_many(texts), strict=True)]

    def _cut_many(self, texts: Sequence[Ids]) -> Iterator[Grams]:
        """Cut texts, as many at a time as a core's cache holds."""
        some: list[Ids] = []
        for ids in texts:
            some.append(ids)
            if sum(map(len, some)) >= TOKENS_AT_ONCE:
                yield from self._cut.many(some)
                some = []
        if some:
            yield from self._cut.many(some)

    def _match(self, query: QueryFeatures, ids: Ids, grams: Grams) -> tuple[Types, Types, float]:
        at, rows = query.coarse.locate(grams.coarse), self._vectors.rows(ids)
        similar = cosines(query.meaning.rows, rows)
        features = self._features(query, ids, grams, at, (rows, similar))
        query_hit = query.coarse.occurrences(at)[query.at] > 0
        query_types = self._types(query.ids, query.grams, query_hit, similar.max(axis=1, initial=0.0))
        hit = at < len(query.coarse.keys) - 1
        document_types = self._types(ids, grams, hit, similar.max(axis=0, initial=0.0))
        return query_types + QUERY_TYPE, document_types + DOCUMENT_TYPE, self._logit(features)

    def features(self, query: QueryFeatures, document_ids: Ids) -> Floats:
        """Return the numbers that the prior is computed from, float64[features], named in FEATURES."""
        ids = np.asarray(document_ids, np.int64)
        grams = self._cut(ids)
        rows = self._vectors.rows(ids)
        near = rows, cosines(query.meaning.rows, rows)
        return self._features(query, ids, grams, query.coarse.locate(grams.coarse), near)

    def gram_idf(self, keys: Keys) -> Floats:
        """Return the idf of grams from the hashed table: the greater of two slots, each shared at its lower value."""
        first, second = slots(keys, len(self._gram_idf))
        idf: Floats = np.maximum(self._gram_idf[first], self._gram_idf[second]).astype(np.float64) * IDF_STEP
        return idf

    def _features(self, query: QueryFeatures, ids: Ids, grams: Grams, at: Ints, near: tuple[Rows, Rows]) -> Floats:
        coarse, count = query.coarse, query.coarse.occurrences(at)
        fine = query.fine.occurrences(query.fine.locate(grams.fine))
        tokens = query.tokens.occurrences(query.tokens.locate(ids.astype(np.uint64)))
        bigrams = query.bigrams.occurrences(query.bigrams.locate(_bigrams(ids)))
        k = K1 * (1 - B + B * len(at) / USUAL_LENGTH)
        saturation = coarse.saturation(count, k)
        windows = _windows(coarse.weight, at, grams.place)
        digits = float(query.digit.sum())
        apart = 1 - float(np.minimum(query.scripts, _shares(self._cut.scripts[ids])).sum())
        alike = best_tokens(query.idf, query.meaning.weights, near[1])
        bag, window = self._vectors.likeness(query.meaning, ids, near[0])
        sound = self._sound(query, ids) if apart > LEAST_APART else 0.0
        return np.array([
            saturation * coarse.total / 100, saturation, query.flat.saturation(count, k),
            query.fine.saturation(fine, 2 * k), query.tokens.saturation(tokens, k), query.bigrams.cover(bigrams),
            windows[0] / coarse.total, windows[1] / coarse.total,
            float(query.digit[count > 0].sum()) / digits if digits else 0.0, 1 - apart,
            *alike, bag, window, alike[1] * apart, alike[3] * apart, bag * apart, window * apart, sound * apart,
            -np.log(len(ids) + 8.0),
        ])  # fmt: skip

    def _sound(self, query: QueryFeatures, ids: Ids) -> float:
        """Return the share of the query's sound grams that the document has, by idf."""
        total = float(query.sound_idf.sum())
        if not total:
            return 0.0
        there = np.zeros(SIZE, np.bool_)
        there[self._sounds(ids)] = True
        return float(query.sound_idf[there[query.sounds]].sum()) / total

    def _types(self, ids: Ids, grams: Grams, hit: NDArray[np.bool_], similar: NDArray[np.float32]) -> Types:
        """Return 0 for a token without letters, else 1 + 3 * level + rarity."""
        size = len(grams.inside) + 1
        edges = np.bincount(grams.start[hit], minlength=size)
        edges -= np.bincount(grams.start[hit] + grams.length[hit], minlength=size)
        covered = np.zeros(size, np.int64)
        np.cumsum((np.cumsum(edges)[:-1] > 0) & grams.inside, out=covered[1:])
        matched = np.diff(covered[grams.ends])
        letters = self._cut.letters[ids]
        level = (similar >= SIMILAR[0]).astype(np.int32) + (similar >= SIMILAR[1])
        level[matched >= PARTLY * letters] = 3
        level[matched >= FULLY * letters] = 4
        types: Types = 1 + 3 * level + self._rarity[ids]
        types[letters == 0] = 0
        return types

    def _logit(self, features: Floats) -> float:
        mean, scale, skip, w1, b1, w2 = self._prior
        x = (features - mean) * scale
        hidden = np.maximum((x[:, None] * w1).sum(axis=0) + b1, 0.0)
        return float((x * skip[:-1]).sum() + skip[-1] + (hidden * w2).sum())


def slots(keys: Keys, size: int) -> tuple[Ints, Ints]:
    """Return the two slots of each key in a table of `size` (a power of two)."""
    mixed = (keys ^ (keys >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    mask = np.uint64(size - 1)
    return (mixed & mask).astype(np.int64), ((mixed >> np.uint64(32)) & mask).astype(np.int64)


def _terms(values: Keys, weights: Floats) -> Terms:
    keys, first = np.unique(values, return_index=True)
    return _weighted(np.append(keys, np.uint64(0)), np.append(weights[first], 0.0))


def _weighted(keys: Keys, weight: Floats) -> Terms:
    return Terms(keys, weight, max(float(weight.sum()), 1e-6))


def _bigrams(ids: Ids) -> Keys:
    """Return one key for each pair of neighbouring ids, never 0."""
    keys = ids.astype(np.uint64)
    return (keys[:-1] << np.uint64(32)) | keys[1:] | np.uint64(1 << 31)


def _shares(scripts: Floats) -> Floats:
    counts: Floats = scripts.sum(axis=0)
    shares: Floats = counts / max(float(counts.sum()), 1.0)
    return shares


def _windows(weight: Floats, at: Ints, place: Ints) -> list[float]:
    """Return the greatest weight of distinct terms within each of the windows."""
    hit = np.flatnonzero(at < len(weight) - 1)
    if not len(hit):
        return [0.0 for _ in WINDOWS]
    term, place = at[hit], place[hit]
    order = np.argsort(term, kind="stable")
    before = np.full(len(hit), -(10**6), np.int64)
    again = order[1:][term[order[1:]] == term[order[:-1]]]
    before[again] = place[order[:-1][term[order[1:]] == term[order[:-1]]]]
    best = []
    for width in WINDOWS:
        # A term counts again once its last occurrence is a window away.
        total = np.append(0.0, np.cumsum(np.where(place - before >= width, weight[term], 0.0)))
        begin = np.searchsorted(place, place - width, side="right")
        best.append(float((total[1:] - total[begin]).max()))
    return best
