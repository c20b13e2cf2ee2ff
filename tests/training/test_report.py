"""What a report says in words follows from its figures."""

from typing import Any

import pytest

from resift.training.report import card, describe, verdict


def report(difference: float, p: float, *, first: float | None = 0.4, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "name": "my-reranker",
        "resift": "0.1.0",
        "model": {"name": "BAAI/bge-reranker-v2-m3", "revision": "abc", "family": "xlm-roberta"},
        "data": {"queries": 900, "positives": 1000, "negatives": 9000},
        "settings": {"loss": "kl"},
        "chosen": {"learning_rate": 2e-5, "max_length": 256, "truncation": "flag"},
        "training": {"steps": 60, "seconds": 12.3, "best_step": 40},
        "dev": {"queries": 50},
        "warnings": list(warnings),
        "held_out": {
            "name": "test.jsonl", "queries": 80, "candidates": 20.0, "first_stage": "BM25", "metric": "nDCG@10",
            "first": first, "before": 0.5, "after": 0.5 + difference, "ceiling": 0.9,
            "comparison": {
                "difference": difference, "interval": [difference - 0.02, difference + 0.02], "p": p,
                "detectable": 0.03, "helped": 30, "hurt": 10, "unchanged": 40,
            },
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("difference", "p", "words"),
    [
        (0.1, 0.0001, "training helped on 80 held-out queries: nDCG@10 +0.1000 (95% interval +0.0800 to +0.1200, p <"),
        (-0.1, 0.04, "training hurt on 80 held-out queries: nDCG@10 -0.1000"),
        (0.01, 0.3, "no difference shown on 80 held-out queries: nDCG@10 +0.0100"),
    ],
)  # fmt: skip
def test_the_verdict(difference: float, p: float, words: str) -> None:
    assert verdict(report(difference, p)).startswith(words)
    assert ("they can show one of 0.0300 or more" in verdict(report(difference, p))) == (p > 0.05)


def test_lines_for_people() -> None:
    lines = describe(report(0.1, 0.001, warnings=("dev is small",)))
    assert lines[0] == "warning: dev is small"
    assert lines[1] == (
        "nDCG@10 on test.jsonl, 80 queries: first stage 0.4000, before 0.5000, after 0.6000, best possible 0.9000"
    )
    assert "first stage" not in describe(report(0.1, 0.001, first=None))[0]


def test_the_card_has_the_figures() -> None:
    text = card(report(0.1, 0.001, warnings=("dev is small",)))
    assert "fine-tuned with `resift train` 0.1.0 from BAAI/bge-reranker-v2-m3 (abc)" in text
    assert "| BM25 | 0.4000 |\n| original model | 0.5000 |\n| this model | 0.6000 |\n| best possible | 0.9000 |" in text
    assert 'Reranker("my-reranker", max_length=256, truncation="flag")' in text
    assert "## To know\n- dev is small\n" in text
    assert "## To know" not in card(report(0.1, 0.001))
