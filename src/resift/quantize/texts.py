"""The built-in texts: what a model is calibrated and compared on when the user gives none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resift.quantize.verify import JudgedPair

_FILE = Path(__file__).with_name("texts.jsonl")
_CANDIDATES = 20
"""Documents that each query is ranked on: its own, and others in other languages."""


_FEW = 4
"""Languages up to which every text is a query."""


def built_in_texts(languages: Sequence[str]) -> list[str]:
    """Return the queries and documents in these languages; empty where there is none."""
    groups = [group for group in _groups() if group["language"] in languages]
    return [text for group in groups for text in (group["query"], *group["documents"])]


def built_in_pairs(languages: Sequence[str] | None = None) -> list[JudgedPair]:
    """Return every query with its own documents (an answer, something related, something else) and some of others.

    They have no labels: so few queries would say nothing about nDCG.
    `languages` restricts them to the texts in these; all where there is none of them.
    """
    groups = _groups()
    wanted = [group for group in groups if languages is None or group["language"] in languages] or groups
    documents = [document for group in wanted for document in group["documents"]]
    if len(wanted) <= _FEW:  # a few queries say little: let every text ask for the documents
        texts = [text for group in wanted for text in (group["query"], *group["documents"])]
        return [JudgedPair(text, document) for text in texts for document in documents if document != text]
    pairs = []
    for number, group in enumerate(wanted):
        start = 3 * number  # where the query's own documents stand
        candidates = [documents[i % len(documents)] for i in range(start, start + _CANDIDATES)]
        pairs += [JudgedPair(group["query"], text) for text in dict.fromkeys(candidates)]
    return pairs


def _groups() -> list[dict[str, Any]]:
    return [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]
