"""The API of a server, in the shape of `Reranker`."""

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from resift.client.calls import Calls
from resift.client.options import Options, Priority
from resift.client.records import Ranking, Scores, ServedModel, ServerInfo
from resift.closing import Closing
from resift.errors import InputError, MissingExtra
from resift.types import Document, Float32, Pair, Scale, Truncation, Windows

if TYPE_CHECKING:
    import httpx

    from resift.client.transport import Address, Awaiting, Blocking
    from resift.explanation import Explanation

_logger = logging.getLogger("resift")
Shell = TypeVar("Shell")


class _Caller(ABC, Generic[Shell]):
    """What the two clients share: their options, and the calls that follow from them."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        model: str | None = None,
        scores: Scale = "raw",
        group: str | None = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        windows: Windows | None = None,
        template: str | None = None,
        priority: Priority = "normal",
        deadline_ms: int | None = None,
        strict: bool = False,
        timeout: float | None = 60.0,
        retries: int = 4,
        headers: Mapping[str, str] | None = None,
        ca_file: str | Path | None = None,
        transport: "httpx.BaseTransport | httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        """Say where the server is; nothing is sent before the first call.

        Args:
            url: of the server, with the path before its routes where it is behind a gateway.
            api_key: sent as a Bearer token.
            model: one of `models()`; None for the server's first.
            scores: `raw` logits, their `sigmoid` in 0..1, or the `calibrated` probabilities of a server that was
                started with a calibration. The order is the same.
            group: the group of pairs whose calibration is used, such as a language; None for the server's own.
            truncation: None for what the server was started with: `longest_first` unless it was told otherwise,
                where `Reranker` has `flag`.
            max_length: tokens of the longest sequence; None for what the server was started with.
            windows: score long documents in overlapping windows instead of truncating them.
            template: the text of documents that are mappings, e.g. `"Title: {title}"`.
            priority: of two requests that wait in the server, the one with the higher priority goes first.
            deadline_ms: when the server has worked so long, take the best order that it knows (`partial`).
            strict: a document that cannot be scored, or would be cut, fails the call; without it the document has an
                `error` of its own and comes last, or is marked `truncated`.
            timeout: seconds that a call may take in all, retries included; None for no end.
            retries: further tries when the server has too much to do (429), is not ready (503) or cannot be reached;
                after a pause that grows, and not before the server asked to be called again.
            headers: further ones for every request.
            ca_file: certificates to trust for https instead of the machine's own.
            transport: an httpx transport instead of the network, for tests.

        Raises:
            InputError: an option that no server could read.
            MissingExtra: httpx is not installed.
        """
        if timeout is not None and timeout <= 0:
            raise InputError(f"timeout is {timeout}, expected seconds above 0, or None for no end")
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise InputError(f"retries is {retries!r}, expected a whole number of at least 0")
        options = Options(
            model=model,
            scores=scores,
            group=group,
            truncation=truncation,
            max_length=max_length,
            windows=windows,
            template=template,
            priority=priority,
            deadline_ms=deadline_ms,
            strict=strict,
        )
        self._calls = Calls(options.checked(), timeout, retries)
        try:
            from resift.client.transport import Address
        except ModuleNotFoundError as error:
            if error.name != "httpx":
                raise
            raise MissingExtra(f"resift.{type(self).__name__}", extra="client") from None
        sent = dict(headers or {}) | ({} if api_key is None else {"Authorization": f"Bearer {api_key}"})
        self._shell = self._open(Address(url, sent, ca_file, transport))

    def with_options(
        self,
        *,
        model: str | None = None,
        scores: Scale | None = None,
        group: str | None = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        windows: Windows | None = None,
        template: str | None = None,
        priority: Priority | None = None,
        deadline_ms: int | None = None,
        strict: bool | None = None,
    ) -> Self:
        """Return a client on the same connections with some options changed; closing either closes both."""
        given: dict[str, Any] = {
            "model": model,
            "scores": scores,
            "group": group,
            "truncation": truncation,
            "max_length": max_length,
            "windows": windows,
            "template": template,
            "priority": priority,
            "deadline_ms": deadline_ms,
            "strict": strict,
        }
        changed = {name: value for name, value in given.items() if value is not None}
        view = copy.copy(self)
        view._calls = replace(self._calls, options=replace(self._calls.options, **changed).checked())
        return view

    @abstractmethod
    def _open(self, address: "Address") -> Shell:
        """Return what runs the calls."""


class Client(_Caller["Blocking"], Closing):
    """A server's models: the calls of `Reranker`, answered by `resift serve`.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     ranking = client.rank("capital of France", ["Berlin is in Germany.", "Paris is the capital of France."])
    >>> ranking[0].index  # doctest: +SKIP
    1

    Safe from many threads at once, which share its connections. Every call may raise ServerError: see
    `resift.errors`.
    """

    def rank(self, query: str, documents: Iterable[Document], *, top_k: int | None = None) -> Ranking:
        """Return the documents, best first, at most `top_k` of them; equal scores keep their order.

        Each record holds the caller's own document. Raises PairError when the query or a document is not a text (or,
        for a document, a mapping of fields).
        """
        return self._shell.run(self._calls.rank(query, documents, top_k))

    def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], *, top_k: int | None = None
    ) -> list[Ranking]:
        """Rank a list of documents for each query, all in one request; returns one ranking a query."""
        return self._shell.run(self._calls.rank_many(queries, documents, top_k))

    def score(self, pairs: Iterable[Pair]) -> Float32:
        """Return the score of each (query, document) pair, float32 [n], in input order.

        A pair that has no score raises its error: Rejected, or TimedOut when the deadline came first.
        """
        return _values(self._shell.run(self._calls.score(pairs)))

    def score_details(self, pairs: Iterable[Pair]) -> Scores:
        """Return a record for each (query, document) pair, in input order: score, truncation, window, error."""
        return self._shell.run(self._calls.score_details(pairs))

    def explain(self, query: str, document: Document) -> "Explanation":
        """Return what each sentence of the document did for its score: see `resift.explanation`."""
        return self._shell.run(self._calls.explain(query, document))

    def models(self) -> list[ServedModel]:
        """Return the models of the server, the default one first."""
        return self._shell.run(self._calls.models())

    def info(self) -> ServerInfo:
        """Return what the server is and what it takes. What scores depend on is in each answer's `info`."""
        return self._shell.run(self._calls.info())

    def ready(self) -> bool:
        """Return whether the server is there and would take work now. Asks once."""
        return self._shell.run(self._calls.ready())

    def close(self) -> None:
        """Close the connections; calls afterwards raise EngineClosed."""
        self._shell.close()

    def _open(self, address: "Address") -> "Blocking":
        from resift.client.transport import Blocking

        return Blocking(address)


class AsyncClient(_Caller["Awaiting"]):
    """`Client` for asyncio: the same calls and options, awaited.

    >>> async with AsyncClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     ranking = await client.rank("capital of France", ["Berlin is in Germany.", "Paris is in France."])

    Cancelling a call withdraws it from the server.
    """

    async def rank(self, query: str, documents: Iterable[Document], *, top_k: int | None = None) -> Ranking:
        """See `Client.rank`."""
        return await self._shell.run(self._calls.rank(query, documents, top_k))

    async def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], *, top_k: int | None = None
    ) -> list[Ranking]:
        """See `Client.rank_many`."""
        return await self._shell.run(self._calls.rank_many(queries, documents, top_k))

    async def score(self, pairs: Iterable[Pair]) -> Float32:
        """See `Client.score`."""
        return _values(await self._shell.run(self._calls.score(pairs)))

    async def score_details(self, pairs: Iterable[Pair]) -> Scores:
        """See `Client.score_details`."""
        return await self._shell.run(self._calls.score_details(pairs))

    async def explain(self, query: str, document: Document) -> "Explanation":
        """See `Client.explain`."""
        return await self._shell.run(self._calls.explain(query, document))

    async def models(self) -> list[ServedModel]:
        """See `Client.models`."""
        return await self._shell.run(self._calls.models())

    async def info(self) -> ServerInfo:
        """See `Client.info`."""
        return await self._shell.run(self._calls.info())

    async def ready(self) -> bool:
        """See `Client.ready`."""
        return await self._shell.run(self._calls.ready())

    async def aclose(self) -> None:
        """Close the connections; calls afterwards raise EngineClosed."""
        await self._shell.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open(self, address: "Address") -> "Awaiting":
        from resift.client.transport import Awaiting

        return Awaiting(address)


def _values(scores: Scores) -> Float32:
    cut = sum(one.truncated for one in scores)
    if cut and scores.info is not None:
        _logger.warning(
            "%d of %d pairs were cut to %d tokens (see windows= and max_length=)",
            cut,
            len(scores),
            scores.info.max_length,
        )
    return np.array([one.score for one in scores], dtype=np.float32)
