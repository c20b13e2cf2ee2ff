"""The API: score pairs, rank documents."""

import asyncio
import copy
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias, get_args

import numpy as np

from resift.calibration.choosing import ask_threshold, choose, scaled
from resift.calibration.conditions import Conditions, conditions, fingerprint
from resift.calibration.records import Calibration
from resift.closing import Closing
from resift.engine.engine import Engine
from resift.engine.select import make_backend
from resift.errors import InputError
from resift.explanation import Explanation, explain
from resift.loading.checkpoint import load_checkpoint
from resift.loading.source import locate
from resift.scoring import PairLogit, PairScorer
from resift.text.encode import PairEncoder
from resift.text.features import load_features
from resift.text.inputs import as_groups, as_list, as_pair, check_top_k, one_of, positive
from resift.text.template import Template, document_text, scrub
from resift.text.truncation import Limits
from resift.types import (
    Aggregate,
    Document,
    Float32,
    ModelSpec,
    Pair,
    PairScore,
    RankedDocument,
    Scale,
    ScoreInfo,
    Truncation,
    Windows,
)

Progress: TypeAlias = bool | Callable[[int, int], None]
"""True for a bar on stderr, or a function that is called with (pairs scored, pairs in all)."""

_logger = logging.getLogger("resift")
_DEFAULT_MAX_LENGTH = 512
_DEFAULT_MAX_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class _Options:
    """What `with_options` can change: all that does not touch the loaded model."""

    max_length: int
    query_max_length: int
    truncation: Truncation
    scores: Scale
    calibration: Calibration | None
    group: str | None
    windows: Windows | None
    template: Template | None
    progress: Progress


class Reranker(Closing):
    """A cross-encoder that scores (query, document) pairs.

    >>> reranker = Reranker()
    >>> best = reranker.rank("capital of France", ["Berlin is in Germany.", "Paris is the capital of France."])[0]
    >>> best.index
    1

    Safe from many threads at once. Use it in a `with` block, or call `close()`, to release its memory early.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        max_length: int | None = None,
        query_max_length: int | None = None,
        max_batch_tokens: int | None = None,
        truncation: Truncation = "flag",
        windows: Windows | None = None,
        template: str | None = None,
        scores: Scale = "raw",
        calibration: Calibration | str | Path | None = None,
        group: str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        progress: Progress = False,
    ) -> None:
        r"""Load a model.

        Args:
            model: None for the embedded model, a folder, or a hub id such as `BAAI/bge-reranker-v2-m3`, which is
                downloaded once and then read from the cache.
            device: None or `cpu`.
            precision: of the matrix products: `fp32`, `bf16` or `int8`; None for fp32, or for what a folder of
                `resift quantize` holds, which has no other.
            max_length: tokens of the longest sequence, special tokens included; None for 512, or the model's
                own limit where that is lower.
            query_max_length: tokens of the longest query under the policy `flag`; None for 3/4 of `max_length`.
            max_batch_tokens: tokens that are in work at a time: bounds memory, never changes a score.
            truncation: `flag` cuts the query at `query_max_length` and then the document, as FlagEmbedding does;
                `longest_first` cuts whichever is longer, as sentence-transformers and TEI do.
            windows: score long documents in overlapping windows instead of truncating them.
            template: the text of documents that are mappings, e.g. `"Title: {title}\nPrice: {price}"`.
            scores: `raw` logits, their `sigmoid` in 0..1, or `calibrated` probabilities. The order is the same.
            calibration: what `resift calibrate` wrote, or `auto` for the file that lies beside the model, if any.
            group: the group of pairs whose calibration is used, such as a language; None for the shared one.
            backend: None or `native`, or `reference` (slow, numpy).
            threads: None for all cores that this process may use.
            revision: commit, tag or branch of a hub model.
            cache_dir: the hub cache; None for its default place.
            progress: a bar on stderr, or a function, for downloads and long calls.

        Raises:
            ModelNotFound, ModelLayoutError, UnsupportedModel: see `resift.errors`.
            DeviceError: device, precision or kernel that this machine does not have.
            InputError: a length, policy, score type or calibration that does not fit the model.
        """
        folder = Path(cache_dir) if cache_dir is not None else None
        source = locate(model, revision=revision, cache_dir=folder, progress=bool(progress))
        checkpoint = load_checkpoint(source)
        chosen = make_backend(
            checkpoint.spec,
            checkpoint.tensors,
            backend=backend,
            device=device,
            precision=precision,
            threads=threads,
            stored=checkpoint.precision,
        )
        budget = positive("max_batch_tokens", max_batch_tokens, _DEFAULT_MAX_BATCH_TOKENS)
        self._folder = source.folder
        self._fingerprint = functools.cache(lambda: fingerprint(source.folder))
        self._spec = checkpoint.spec
        self._tokenizer = checkpoint.tokenizer
        self._unknown_id = checkpoint.unknown_id
        self._features = load_features(checkpoint.config, source.folder, checkpoint.tokenizer)
        self._engine = Engine(chosen, max_batch_tokens=budget)
        limit = _max_length(max_length, checkpoint.spec)
        self._info = ScoreInfo(
            model=source.name,
            revision=source.revision,
            device="cpu",
            backend=chosen.name,
            precision=chosen.precision,
            kernel=chosen.kernel,
            scores=scores,
            truncation=truncation,
            max_length=limit,
        )
        self._configure(
            _Options(
                max_length=limit,
                query_max_length=positive("query_max_length", query_max_length, limit * 3 // 4),
                truncation=truncation,
                scores=scores,
                calibration=choose(calibration, source.folder),
                group=group,
                windows=windows,
                template=Template(template) if template is not None else None,
                progress=progress,
            )
        )

    @property
    def info(self) -> ScoreInfo:
        """What the scores depend on: model, revision, backend, precision, score type, truncation policy."""
        return self._info

    @property
    def conditions(self) -> Conditions:
        """What a calibration of these scores holds for."""
        limit, windows = self._options.query_max_length, self._options.windows
        return conditions(self._info, self._fingerprint(), query_max_length=limit, windows=windows)

    @property
    def folder(self) -> Path:
        """The folder that holds the model's files."""
        return self._folder

    @property
    def spec(self) -> ModelSpec:
        """The shape of the model."""
        return self._spec

    def with_options(
        self,
        *,
        max_length: int | None = None,
        query_max_length: int | None = None,
        truncation: Truncation | None = None,
        scores: Scale | None = None,
        calibration: Calibration | str | Path | None = None,
        group: str | None = None,
        windows: Windows | None = None,
        template: str | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Return a reranker on the same loaded model with some options changed; closing either closes both.

        A new `max_length` without a `query_max_length` sets that to 3/4 of it again. The group `shared` is none.
        """
        old = self._options
        limit = old.max_length if max_length is None else _max_length(max_length, self._spec)
        query_limit = old.query_max_length if max_length is None else limit * 3 // 4
        view = copy.copy(self)
        view._configure(
            _Options(
                max_length=limit,
                query_max_length=positive("query_max_length", query_max_length, query_limit),
                truncation=old.truncation if truncation is None else truncation,
                scores=old.scores if scores is None else scores,
                calibration=old.calibration if calibration is None else choose(calibration, self._folder),
                group=old.group if group is None else group,
                windows=old.windows if windows is None else windows,
                template=old.template if template is None else Template(template),
                progress=old.progress if progress is None else progress,
            )
        )
        return view

    def score(self, pairs: Iterable[Pair]) -> Float32:
        """Return the score of each (query, document) pair, float32 [n], in input order.

        A pair's score is bit-identical whatever else is in the call. Truncation is logged as a warning;
        `score_details` says which pairs. Raises PairError when an item is not a pair of texts.
        """
        details = self.score_details(pairs)
        cut = sum(detail.truncated for detail in details)
        if cut:
            _logger.warning(
                "%d of %d pairs were cut to %d tokens (see windows= and max_length=)",
                cut,
                len(details),
                self._options.max_length,
            )
        return np.array([detail.score for detail in details], dtype=np.float32)

    def score_details(self, pairs: Iterable[Pair]) -> list[PairScore]:
        """Return a record for each (query, document) pair, in input order: score, truncation, window."""
        texts = [self._pair(i, pair) for i, pair in enumerate(as_list(pairs, "pairs"))]
        return [self._details(scored) for scored in self._run(texts)]

    def rank(self, query: str, documents: Iterable[Document], *, top_k: int | None = None) -> list[RankedDocument]:
        """Return the documents, best first, at most `top_k` of them; equal scores keep their order.

        Each record holds the caller's own document. Raises PairError when the query or a document is not a
        text (or, for a document, a mapping of fields).
        """
        return self.rank_many([query], [documents], top_k=top_k)[0]

    def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], *, top_k: int | None = None
    ) -> list[list[RankedDocument]]:
        """Rank a list of documents for each query, all in one run; returns one ranking a query."""
        check_top_k(top_k)
        asked, lists = as_groups(queries, documents)
        texts = [
            self._pair(i, (query, document))
            for query, group in zip(asked, lists, strict=True)
            for i, document in enumerate(group)
        ]
        scored = iter(self._run(texts))
        return [self._ranking(group, [next(scored) for _ in group], top_k) for group in lists]

    def threshold(self, *, keep: float | None = None, probability: float | None = None) -> float:
        """Return the score, of this reranker's score type, at or above which documents are to be kept.

        Args:
            keep: the share of relevant documents that are kept at least, such as 0.9, with the guarantee of split
                conformal prediction (`resift.calibration.conformal` has its formula and its assumption).
            probability: the calibrated probability that documents have at least.

        Raises InputError without a calibration, or unless one of both is given.
        """
        return ask_threshold(self._asked(), self._options.scores, self._options.group, keep, probability)

    def explain(self, query: str, document: Document) -> Explanation:
        """Return what each sentence of the document did for its score: leave it out and score again.

        All these variants are scored in one call, and some more in a second one that measures how far the answer can be
        trusted. Documents of more than 64 sentences are left out in groups. With windows the whole text is read.
        """
        asked, text = self._pair(0, (query, document))
        scores = self._options.scores
        if scores == "calibrated":
            raise InputError("explanations are of raw scores or sigmoids", hint='with_options(scores="raw")')
        read = len(text) if self._options.windows is not None else self._encoder.read_to(asked, text)
        return explain(
            text,
            lambda texts: [scored.logit for scored in self._run([(asked, variant) for variant in texts])],
            read=read,
            scores=scores,
        )

    async def ascore(self, pairs: Iterable[Pair]) -> Float32:
        """`score` in a worker thread."""
        return await asyncio.to_thread(self.score, pairs)

    async def arank(
        self, query: str, documents: Iterable[Document], *, top_k: int | None = None
    ) -> list[RankedDocument]:
        """`rank` in a worker thread."""
        return await asyncio.to_thread(self.rank, query, documents, top_k=top_k)

    def close(self) -> None:
        """Release the model's memory; scoring afterwards raises EngineClosed."""
        self._engine.close()

    def _configure(self, options: _Options) -> None:
        """Set the options and what follows from them; called once, before anyone else sees the object."""
        one_of("truncation", options.truncation, get_args(Truncation))
        one_of("scores", options.scores, get_args(Scale))
        if options.windows is not None:
            one_of("windows.aggregate", options.windows.aggregate, get_args(Aggregate))
            positive("windows.top_k", options.windows.top_k, 1)
        limits = Limits(options.max_length, options.query_max_length, options.truncation)
        self._encoder = PairEncoder(self._tokenizer, self._spec, limits=limits, features=self._features)
        self._options = options
        self._scorer = PairScorer(self._encoder, self._engine, unknown_id=self._unknown_id)
        self._info = replace(
            self._info, scores=options.scores, truncation=options.truncation, max_length=options.max_length
        )
        chosen = self._asked() if options.scores == "calibrated" else None
        self._scale = scaled(options.scores, chosen.curve(options.group) if chosen is not None else None)
        self._info = replace(self._info, calibration=chosen.named(options.group) if chosen is not None else None)

    def _asked(self) -> Calibration:
        """Return the calibration; raises InputError when there is none, or it is one of another model."""
        calibration = self._options.calibration
        if calibration is None:
            raise InputError(
                "there is no calibration: calibrated scores and thresholds need one that was fitted for this model",
                hint='run `resift calibrate PAIRS`, and name its file: calibration="calibration.json"',
            )
        calibration.check(self.conditions)
        return calibration

    def _pair(self, index: int, pair: object) -> tuple[str, str]:
        query, document = as_pair(index, pair)
        return scrub(query), document_text(document, self._options.template)

    def _run(self, texts: list[tuple[str, str]]) -> list[PairLogit]:
        with _told(self._options.progress, len(texts)) as tell:
            return self._scorer.score(texts, windows=self._options.windows, on_progress=tell)

    def _details(self, scored: PairLogit) -> PairScore:
        window = scored.window
        if window is not None:
            window = replace(window, score=self._scale(window.score))
        return PairScore(score=self._scale(scored.logit), truncated=scored.truncated, window=window)

    def _ranking(
        self, documents: Sequence[Document], scored: Sequence[PairLogit], top_k: int | None
    ) -> list[RankedDocument]:
        # Subtle: the order is that of the logits, because sigmoids of large logits are equal in float32.
        order = sorted(range(len(documents)), key=lambda i: (-scored[i].logit, i))[:top_k]
        ranking = []
        for i in order:
            detail = self._details(scored[i])
            ranking.append(RankedDocument(i, detail.score, documents[i], detail.truncated, detail.window))
        return ranking


@contextmanager
def _told(progress: Progress, total: int) -> Iterator[Callable[[int, int], None] | None]:
    if callable(progress):
        yield progress
    elif progress and total:
        from tqdm.auto import tqdm

        with tqdm(total=total, unit="pair", desc="Reranking") as bar:
            yield lambda done, _: bar.update(done - bar.n) and None
    else:
        yield None


def _max_length(value: int | None, spec: ModelSpec) -> int:
    limit = positive("max_length", value, min(_DEFAULT_MAX_LENGTH, spec.max_length))
    if not spec.special_tokens + 2 <= limit <= spec.max_length:
        raise InputError(
            f"max_length is {limit}, expected {spec.special_tokens + 2} to {spec.max_length} (this model's limit)"
        )
    return limit
