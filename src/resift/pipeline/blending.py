"""The reranker's order and the first stage's, in one.

A reranker puts some passages high that have nothing to do with the query, and which the first stage had rightly put
low: phantom hits (Jacob et al. 2024, arXiv 2411.11767). The smaller it is, the more. Both scores are brought to 0..1
among a query's reranked passages, and added:

    (1 - share) * first + share * reranked

Where the fusion is `covered`, the share is raised to the power of what BM25 is trusted with for this query: for a
question in another language than the passages, of which words find nothing, 0.5 becomes 0.97.
"""

from collections.abc import Mapping, Sequence

from resift.errors import InputError
from resift.loading.source import EMBEDDED_FOLDER
from resift.pipeline.reranking import RankerSpec
from resift.reranker import Reranker
from resift.retrieval.protocols import Hit

EMBEDDED_SHARE = 0.5
"""Of the embedded model. Mean nDCG@10 over eight sets of one language each, 100 questions a set, BM25 first and 50
passages reranked: first stage alone .802, 0.3 .803, 0.5 .803, 0.7 .799, reranker alone .794. Over three sets across
languages, after BM25 and vectors: .646, .675, .675, .675, .680. The table is in docs/guides/pipeline.md;
`benchmarks/stages.py` made it."""


def check_blend(share: float) -> None:
    """Raise InputError for what is no share."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise InputError(f"blend is {share!r}, expected 0 (the first stage's order) to 1 (the reranker's)")


def usual_share(spec: RankerSpec) -> float:
    """Return the share of a reranker where none is asked for: 1 but for the embedded model."""
    embedded = spec is None or spec is True or (isinstance(spec, Reranker) and spec.folder == EMBEDDED_FOLDER)
    return EMBEDDED_SHARE if embedded else 1.0


def blend(reranked: Sequence[Hit], first: Mapping[int, float], share: float) -> list[Hit]:
    """Return passages by the sums, best first; equal ones keep the first stage's order, that of `first`."""
    scores = {int(hit.id): hit.score for hit in reranked}
    ids = [number for number in first if number in scores]
    low = _to_one([first[number] for number in ids])
    high = _to_one([scores[number] for number in ids])
    sums = [Hit(number, (1 - share) * a + share * b) for number, a, b in zip(ids, low, high, strict=True)]
    return sorted(sums, key=lambda hit: -hit.score)


def _to_one(scores: Sequence[float]) -> list[float]:
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(score - low) / (high - low) if high > low else 1.0 for score in scores]
