"""What finds for a framework: a pipeline's folder that is opened at its first use, or an object that searches."""

import asyncio
import inspect
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from resift.closing import Closing
from resift.errors import InputError
from resift.pipeline import FoundPassage, Pipeline
from resift.retrieval.protocols import Hit
from resift.text.inputs import one_of

Content: TypeAlias = Literal["full_text", "text", "context"]
"""With title and headings; without; the text with its neighbours', which `options={"context": 1}` asks for."""
Where: TypeAlias = Mapping[str, Any]

ADDED = ("document", "relevance_score", "stage", "scores", "ranks")
"""Names in the metadata that are ours, whatever fields the document has."""
TITLES = ("title", "headings")
"""Names in the metadata of what `full_text` begins with."""
_OWN = {"self", "query", "top_k", "where", "rerank", "explain"}
"""Arguments of `Pipeline.search` that are no options here."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage as frameworks want it.

    Attributes:
        id: of the passage.
        text: what is read.
        score: of the last stage that saw it.
        metadata: of the document and of the search.
    """

    id: str
    text: str
    score: float
    metadata: dict[str, Any]


class LazyPipeline(Closing):
    """A pipeline, of arguments that can be written down.

    Its folder is opened for reading with the first question, so that another process may write to it, and each
    question sees what was saved before it. `close` releases it, and a later question opens it again. A ready-made one
    is used as it is and not closed. Safe from many threads and event loops. A copy, also by pickle, opens its own.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        pipeline: Any = None,
        top_k: int = 10,
        where: Where | None = None,
        rerank: bool = True,
        reranker: str | Path | None = None,
        content: Content = "full_text",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the arguments; raises InputError for those that do not fit together or are not known.

        Args:
            folder: that `Pipeline.create` or `resift index` made.
            pipeline: instead, one that is open; or any object whose `search(query, top_k=)` gives `FoundPassage`, or
                gives `Hit` and has `texts(ids)`, as a `MilvusIndex` does.
            top_k: passages of an answer.
            where: conditions on the documents' fields.
            rerank: False for the order of the first stage.
            reranker: with a folder: the name of a model, or the address of a server; None for the embedded model.
            content: what the text of a passage is.
            options: further arguments of `Pipeline.search`.
        """
        if (folder is None) == (pipeline is None):
            raise InputError("expected either folder= or pipeline=", hint="`resift index` makes a folder")
        if pipeline is not None and not callable(getattr(pipeline, "search", None)):
            raise InputError(f"pipeline is {type(pipeline).__name__}, expected an object with search()")
        if pipeline is not None and reranker is not None:
            raise InputError("reranker= is for a folder", hint="the pipeline that you give has its own")
        one_of("content", content, get_args(Content))
        self.folder = None if folder is None else str(folder)
        self._given = pipeline
        self._top_k = _at_least_one(top_k)
        self._where = where
        self._rerank = rerank
        self._reranker = None if reranker is None else str(reranker)
        self._content: Content = content
        self.options = _known(options or {})
        self._opened: Pipeline | None = None
        self._lock = threading.Lock()

    def search(self, query: str, *, top_k: int | None = None, where: Where | None = None) -> list[Found]:
        """Return the best passages; None takes what this was made with."""
        asked: dict[str, Any] = {"top_k": self._top_k if top_k is None else _at_least_one(top_k), **self.options}
        wanted = self._where if where is None else where
        if wanted is not None:
            asked["where"] = wanted
        if not self._rerank:
            asked["rerank"] = False
        source = self._open()
        hits = list(source.search(query, **asked))
        if hits and all(isinstance(hit, Hit) for hit in hits):
            return _with_texts(hits, source)
        return [_found(hit, self._content) for hit in hits]

    async def asearch(self, query: str, *, top_k: int | None = None, where: Where | None = None) -> list[Found]:
        """`search` in a thread."""
        return await asyncio.to_thread(self.search, query, top_k=top_k, where=where)

    def warm_up(self) -> None:
        """Open the folder now. The reranker is loaded with the first question."""
        self._open()

    def close(self) -> None:
        """Release what was opened here."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._given is not None:
            raise InputError("a retriever of a ready-made pipeline cannot be written", hint="say folder= instead")
        arguments: dict[str, Any] = {
            "top_k": self._top_k,
            "where": self._where,
            "rerank": self._rerank,
            "reranker": self._reranker,
            "content": self._content,
            "options": self.options,
        }
        return partial(LazyPipeline, self.folder, **arguments), ()

    def _open(self) -> Any:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._opened is None:
                ranker = self._reranker if self._rerank else False
                self._opened = Pipeline(str(self.folder), reranker=ranker, writable=False)
            else:
                self._opened.refresh()
            return self._opened


def _found(hit: FoundPassage, content: Content) -> Found:
    text = hit.full_text if content == "full_text" else hit.text
    if content == "context" and hit.context is not None:
        text = hit.context
    return Found(hit.id, text, hit.score, _metadata(hit))


def _metadata(hit: FoundPassage) -> dict[str, Any]:
    """Return the document's fields, below them what is known of every passage, above them what the search found."""
    passage = hit.passage
    known = {"title": passage.title, "headings": list(passage.headings), "page": passage.page, "source": hit.source}
    results = (passage.document, hit.score, hit.stage, dict(hit.scores), dict(hit.ranks))
    return {
        **{name: value for name, value in known.items() if value},
        **hit.fields,
        **dict(zip(ADDED, results, strict=True)),
    }


def _with_texts(hits: Sequence[Hit], source: Any) -> list[Found]:
    if not hasattr(source, "texts"):
        raise InputError(
            f"{type(source).__name__} finds ids, and has no texts(ids)", hint="give a Pipeline, or a MilvusIndex"
        )
    texts: Iterable[str | None] = source.texts([hit.id for hit in hits])
    return [
        Found(str(hit.id), text, hit.score, {"document": str(hit.id), "relevance_score": hit.score})
        for hit, text in zip(hits, texts, strict=True)
        if text is not None  # deleted since it was found
    ]


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    known = [name for name in inspect.signature(Pipeline.search).parameters if name not in _OWN]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InputError(f"options has {', '.join(map(repr, unknown))}, expected some of {', '.join(known)}")
    return dict(options)


def _at_least_one(top_k: object) -> int:
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise InputError(f"top_k is {top_k!r}, expected a whole number of at least 1")
    return top_k
