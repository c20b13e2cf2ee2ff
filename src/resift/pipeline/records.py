"""What a pipeline answers. No logic beyond reading them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, overload

from resift.documents import Chunking, Columns, Passage
from resift.explanation import Explanation


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that was found.

    Attributes:
        passage: its document's id, place, text, headings, title and page.
        fields: the document's metadata.
        source: where the document came from.
        score: that of the last stage which saw it, named by `stage`: see there before comparing.
        stage: `rerank`; `fusion` or the only store for what was not reranked. Where a blend made the order of what was
            reranked, that is in `scores` and `ranks`, too.
        scores: by stage.
        ranks: its place in each stage's own list, from 1.
        truncated: the reranker did not read all of it.
        context: the text with its neighbours', where `context=` asked for them.
        explanation: what each sentence did for the score, where `explain=` asked for it.
    """

    passage: Passage
    fields: Mapping[str, Any]
    source: str
    score: float
    stage: str
    scores: Mapping[str, float]
    ranks: Mapping[str, int]
    truncated: bool = False
    context: str | None = None
    explanation: Explanation | None = None

    @property
    def id(self) -> str:
        """`DOCUMENT#PLACE`."""
        return f"{self.passage.document}#{self.passage.place}"

    @property
    def document(self) -> str:
        """The id of its document."""
        return self.passage.document

    @property
    def title(self) -> str | None:
        """Of its document."""
        return self.passage.title

    @property
    def text(self) -> str:
        """Its own text."""
        return self.passage.text

    @property
    def full_text(self) -> str:
        """Title, headings and text: what was indexed and scored."""
        return self.passage.full_text

    @property
    def why(self) -> str:
        """Where each stage placed it, in one line: `bm25 3 (12.41), rerank 1 (5.13)`."""
        return ", ".join(f"{name} {self.ranks[name]} ({score:.4g})" for name, score in self.scores.items())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON could hold it."""
        return {
            "id": self.id,
            **asdict(self.passage),
            "fields": dict(self.fields),
            "source": self.source,
            "score": self.score,
            "stage": self.stage,
            "scores": dict(self.scores),
            "ranks": dict(self.ranks),
            "truncated": self.truncated,
            "context": self.context,
            "explanation": None if self.explanation is None else asdict(self.explanation),
        }


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a search.

    Attributes:
        name: `where`, a store, `read` (of the passages' texts), `fusion`, `rerank` or `explain`.
        seconds: that it took; of queries that were asked together, this one's share.
        found: passages that it gave to the next one.
    """

    name: str
    seconds: float
    found: int


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[FoundPassage]):
    """The passages found for a query, best first, and what it took."""

    query: str
    hits: Sequence[FoundPassage]
    stages: Sequence[Stage] = ()

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[FoundPassage]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> FoundPassage: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[FoundPassage]: ...
    def __getitem__(self, place: int | slice) -> FoundPassage | Sequence[FoundPassage]:
        return self.hits[place]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON could hold it."""
        return {
            "query": self.query,
            "hits": [hit.to_dict() for hit in self.hits],
            "stages": [asdict(stage) for stage in self.stages],
        }


@dataclass(frozen=True, slots=True)
class Changes:
    """What a call changed, in documents but for `passages`.

    Attributes:
        added: new ones.
        replaced: whose id was there with another content.
        unchanged: which were there as they are: nothing was done.
        deleted: that are gone.
        empty: of those added or replaced, without any text: they are kept, and never found.
        passages: that were indexed.
        seconds: that the call took.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0
    empty: int = 0
    passages: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as the pipeline keeps it: its metadata and its passages in their order."""

    id: str
    title: str | None
    fields: Mapping[str, Any]
    source: str
    digest: str
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store of a pipeline.

    Attributes:
        passages: that it can find.
        bytes: of its folder; None where it has none.
        behind: changes that it does not have yet, for a failure of its own: searches leave it out until it has.
    """

    name: str
    passages: int
    bytes: int | None
    behind: int


@dataclass(frozen=True, slots=True)
class PipelineInfo:
    """What a pipeline holds, and what it was made with.

    Attributes:
        waste: passages of documents that were replaced or deleted, until `compact()`.
        bytes: of the whole folder.
        sequence: number of the last change that searches see.
    """

    folder: str
    writable: bool
    documents: int
    passages: int
    waste: int
    bytes: int
    sequence: int
    stores: Sequence[StoreInfo]
    encoder: str | None
    chunking: Chunking
    columns: Columns
    fusion: str
    weights: Mapping[str, float] = field(default_factory=dict)
