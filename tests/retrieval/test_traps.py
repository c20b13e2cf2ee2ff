"""The trap set is what it says: the trap shares words with the query, the answer answers in other words."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resift.retrieval.bm25 import BM25

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "traps.jsonl"
TRAPS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_the_set_is_large_and_in_many_languages() -> None:
    assert len(TRAPS) >= 60
    assert len({trap["id"] for trap in TRAPS}) == len(TRAPS)
    assert len({trap["query"] for trap in TRAPS}) == len(TRAPS)
    same, crossing = (Counter(trap["lang"] for trap in TRAPS if trap["kind"] == kind) for kind in ("words", "cross"))
    assert len(same) >= 8
    assert min(same.values()) >= 3
    assert len(crossing) >= 8


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: str(trap["id"]))
def test_word_matching_falls_for_it(trap: dict[str, Any]) -> None:
    hits = {hit.id: hit.score for hit in BM25([trap["trap"], trap["answer"]]).search(trap["query"], top_k=2)}
    if trap["kind"] == "words":
        assert trap["lang"] == trap["documents"]
        assert hits[0] > hits.get(1, 0)
    else:
        assert trap["lang"] != trap["documents"]
        assert hits.get(1, 0) < 0.1
