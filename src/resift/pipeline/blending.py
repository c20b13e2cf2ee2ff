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
"""Of the embedded model. nDCG@10 of 80 questions each, 50 passages reranked, first stage alone / 0.5 / reranker alone:
Cranfield .323 / .322 / .289, SciFact .848 / .840 / .832, XQuAD's sentences in German .874 / .868 / .852, Russian
.904 / .908 / .896 and Arabic .876 / .874 / .889, CMRC .982 / .986 / .986, iapp-wiki-qa .956 / .956 / .960; after BM25
and vectors JaQuAD .937 / .945 / .938, German questions to English paragraphs .703 / .728 / .718, English ones to
Chinese .516 / .542 / .535. In the mean .792 / .797 / .789; 0.3 gives .794, 0.6 .796."""


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
