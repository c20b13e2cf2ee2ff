"""Whatever reranks for a pipeline: a model in this process, loaded when it is first needed, or a server."""

import inspect
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from resift.client.client import Client
from resift.closing import Closing
from resift.errors import InputError
from resift.explanation import Explanation
from resift.reranker import Reranker
from resift.types import Document, RankedDocument


class Ranker(Protocol):
    """What `Reranker` and `Client` have in common here."""

    def rank_many(
        self, queries: Iterable[str], documents: Iterable[Iterable[Document]], *, top_k: int | None = None
    ) -> Sequence[Sequence[RankedDocument]]:
        """Return a ranking of each list."""


RankerSpec: TypeAlias = Ranker | str | Path | bool | None
"""A reranker or a client; a model's name or folder; a server's address; None or True for the embedded model, False."""


class Reranking(Closing):
    """Opens the ranker at its first use; closes what was opened here and not what was given."""

    def __init__(self, spec: RankerSpec) -> None:
        if not (spec is None or isinstance(spec, str | Path | bool)):
            call = getattr(spec, "rank_many", None)
            if call is None or inspect.iscoroutinefunction(call):
                raise InputError(
                    f"reranker is {type(spec).__name__}, expected a Reranker, a Client, the name of a model, or False",
                    hint="an AsyncClient cannot be used here: give a Client" if call is not None else None,
                )
        self._spec = spec
        self._opened: Reranker | Client | None = None
        self._lock = threading.Lock()

    @property
    def on(self) -> bool:
        """Whether there is any."""
        return self._spec is not False

    def rank(self, queries: Sequence[str], documents: Sequence[Sequence[str]]) -> Sequence[Sequence[RankedDocument]]:
        """Rank a list for each query, all in one run."""
        return self._ranker().rank_many(queries, documents)

    def explain(self, query: str, text: str) -> Explanation:
        """Explain one score. Calibrated ones have no explanation: then it is that of the raw score."""
        ranker = self._ranker()
        if isinstance(ranker, Reranker) and ranker.info.scores == "calibrated":
            ranker = ranker.with_options(scores="raw")
        explain = getattr(ranker, "explain", None)
        if explain is None:
            raise InputError(f"{type(ranker).__name__} cannot explain its scores", hint="search with explain=False")
        return explain(query, text)  # type: ignore[no-any-return]

    def warm_up(self) -> None:
        """Load the model now, where there is any."""
        ranker = self._ranker() if self.on else None
        if isinstance(ranker, Reranker):
            ranker.score([("warm", "up")])

    def close(self) -> None:
        """Release what was opened here; the next use opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _ranker(self) -> Ranker:
        spec = self._spec
        if not (spec is None or isinstance(spec, str | Path | bool)):
            return spec
        with self._lock:
            if self._opened is None:
                if isinstance(spec, str) and spec.startswith(("http://", "https://")):
                    self._opened = Client(spec)
                else:
                    self._opened = Reranker(spec if isinstance(spec, str | Path) else None)
            return self._opened
