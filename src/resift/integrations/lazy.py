"""What scores for a framework: a model that is loaded at its first use, or a server, behind the same few calls."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

from resift.client.client import AsyncClient, Client
from resift.closing import Closing
from resift.errors import InputError
from resift.reranker import Reranker
from resift.text.inputs import one_of
from resift.types import RankedDocument, ScoreType, Windows

Key: TypeAlias = str | Callable[[], str | None] | None
"""An API key, or what gives it when the server is called for the first time."""

_logger = logging.getLogger("resift")
_OWN = {"self", "model", "url", "api_key", "scores", "template", "transport"}
"""Arguments of Reranker and Client that are no options here: they have a place of their own, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A text's place in a ranking.

    Attributes:
        index: its place in the caller's list.
        score: None when a server gave it none.
        error: why it has none.
    """

    index: int
    score: float | None
    error: str | None = None


class LazyReranker(Closing):
    """A `Reranker` or a `Client`, of arguments that can be written down.

    Nothing is loaded or sent before the first call; `close` releases it, and a later call opens it again. A reranker
    that was given ready-made is used as it is and not closed. Safe from many threads and event loops. A copy, also
    by pickle, opens its own.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        url: str | None = None,
        api_key: Key = None,
        scores: ScoreType = "sigmoid",
        options: Mapping[str, Any] | None = None,
        reranker: Reranker | Client | None = None,
    ) -> None:
        """Check the arguments; raises InputError for those that do not fit together or are not known.

        Args:
            model: as in `Reranker`; with a url the name of one of the server's models.
            url: of a server; None loads the model into this process.
            api_key: of the server.
            scores: `raw` or `sigmoid`.
            options: further arguments of `Reranker`, or of `Client` with a url; `windows` may be a mapping.
            reranker: a ready-made one instead of all the others.
        """
        one_of("scores", scores, get_args(ScoreType))
        if reranker is not None and any(one is not None for one in (model, url, api_key, options or None)):
            raise InputError("reranker= stands alone", hint="leave out model=, url=, api_key= and options=")
        if url is None and api_key is not None:
            raise InputError("api_key is for a server", hint="give its address too: url=")
        self._model = None if model is None else str(model)
        self._url = url
        self._api_key = api_key
        self._scores: ScoreType = scores
        self.options = plain_options(options or {}, url)
        self._given = reranker
        self._opened: Reranker | Client | None = None
        self._awaiting: dict[asyncio.AbstractEventLoop, AsyncClient] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What traces call the model."""
        if self._model is not None:
            return self._model
        return self._url or ("embedded" if self._given is None else type(self._given).__name__)

    def rank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        scores: ScoreType | None = None,
    ) -> list[Hit]:
        """Return the texts, best first: at most `top_k`, none with a score below `threshold`.

        `scores` is another scale for this call. What has no score is last, and not there with a threshold.
        """
        if not texts:
            return []
        ranker = self._open().with_options(scores=self._scores if scores is None else scores)
        return _hits(ranker.rank(query, texts, top_k=top_k), threshold)

    async def arank(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_k: int | None = None,
        threshold: float | None = None,
        scores: ScoreType | None = None,
    ) -> list[Hit]:
        """`rank`, awaited: a server's client is asynchronous, a model works in a thread."""
        if not texts:
            return []
        if self._url is None:
            return await asyncio.to_thread(self.rank, query, texts, top_k=top_k, threshold=threshold, scores=scores)
        client = (await self._connected()).with_options(scores=self._scores if scores is None else scores)
        return _hits(await client.rank(query, texts, top_k=top_k), threshold)

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """Return the score of each (query, document) pair, in input order."""
        asked = list(pairs)
        if not asked:
            return []
        return [float(one) for one in self._open().with_options(scores=self._scores).score(asked)]

    async def ascore(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """`score`, awaited."""
        asked = list(pairs)
        if not asked:
            return []
        if self._url is None:
            return await asyncio.to_thread(self.score, asked)
        client = (await self._connected()).with_options(scores=self._scores)
        return [float(one) for one in await client.score(asked)]

    def warm_up(self) -> None:
        """Load the model now. Of a server nothing is asked."""
        self._open()

    def close(self) -> None:
        """Release what was opened here; connections of async calls are closed by `aclose`."""
        with self._lock:
            opened, self._opened = self._opened, None
            self._awaiting = {}
        if opened is not None:
            opened.close()

    async def aclose(self) -> None:
        """Release what was opened here, the connections of this event loop included."""
        client = self._awaiting.get(asyncio.get_running_loop())
        if client is not None:
            await client.aclose()
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        arguments: dict[str, Any] = {
            "url": self._url,
            "api_key": self._api_key,
            "scores": self._scores,
            "options": self.options,
            "reranker": self._given,
        }
        return partial(LazyReranker, self._model, **arguments), ()

    def _open(self) -> Reranker | Client:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                self._opened = self._local() if self._url is None else Client(**self._address())
            return self._opened

    def _local(self) -> Reranker:
        return Reranker(self._model, scores=self._scores, **ready_options(self.options))

    def _address(self) -> dict[str, Any]:
        key = self._api_key() if callable(self._api_key) else self._api_key
        options = ready_options(self.options)
        return {"url": self._url, "api_key": key, "model": self._model, "scores": self._scores, **options}

    async def _connected(self) -> AsyncClient:
        """Return this loop's client: connections belong to the loop that opened them.

        It is made in a thread, because reading the certificates takes some milliseconds.
        """
        loop = asyncio.get_running_loop()
        found = self._awaiting.get(loop)
        return found if found is not None else await asyncio.to_thread(self._connect, loop)

    def _connect(self, loop: asyncio.AbstractEventLoop) -> AsyncClient:
        with self._lock:
            found = self._awaiting.get(loop)
            if found is None:
                found = AsyncClient(**self._address())
                # Loops that ended take their connections along: a program of many asyncio.run keeps none.
                living = {one: client for one, client in self._awaiting.items() if not one.is_closed()}
                self._awaiting = {**living, loop: found}
            return found


def plain_options(options: Mapping[str, Any], url: str | None) -> dict[str, Any]:
    """Return the options as JSON could hold them; raises InputError for one that nobody knows."""
    kind = Reranker if url is None else Client
    known = [name for name in inspect.signature(kind.__init__).parameters if name not in _OWN]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"options has {', '.join(map(repr, unknown))}, expected some of {', '.join(known)}")
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    windows = plain.get("windows")
    if isinstance(windows, Windows):
        plain["windows"] = asdict(windows)
    elif windows is not None:
        names = [field.name for field in fields(Windows)]
        if not isinstance(windows, Mapping) or not set(windows) <= set(names):
            raise InputError(f"windows is {windows!r}, expected a mapping with some of {', '.join(names)}")
        plain["windows"] = dict(windows)
    return plain


def ready_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as `Reranker` and `Client` take them."""
    windows = options.get("windows")
    return {**options} if windows is None else {**options, "windows": Windows(**windows)}


def _hits(ranking: Sequence[RankedDocument], threshold: float | None) -> list[Hit]:
    """Return the hits that pass; says on the log what frameworks have no place for: cut texts and missing scores."""
    hits = [_hit(one) for one in ranking]
    errors = [hit.error for hit in hits if hit.score is None]
    if errors:
        _logger.warning("%d of %d documents have no score and come last: %s", len(errors), len(hits), errors[0])
    cut = sum(one.truncated for one in ranking)
    if cut:
        _logger.warning("%d of %d ranked documents were cut (see the options windows and max_length)", cut, len(hits))
    if threshold is None:
        return hits
    return [hit for hit in hits if hit.score is not None and hit.score >= threshold]


def _hit(one: RankedDocument) -> Hit:
    if one.error is not None:
        return Hit(one.index, None, one.error)
    return Hit(one.index, None, "its deadline came first") if one.pending else Hit(one.index, one.score)
