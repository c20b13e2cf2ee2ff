"""Explanations: the formulas on a scorer whose answer is known, and the API on real checkpoints."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.explanation import MAX_SENTENCES, Explanation, explain, explaining
from resift.loading.source import EMBEDDED_FOLDER
from resift.reranker import Reranker
from resift.types import Windows

QUERY = "how do I get into the archive"
ANSWER = "To enter the archive, show your card at the south gate. "
FILLER = ["The bridge was rebuilt. ", "Dogs stay outside. ", "Coffee is sold in the hall. ", "It rained in May. "]
NEEDS_EMBEDDED = pytest.mark.skipif(not EMBEDDED_FOLDER.is_dir(), reason="this checkout has no embedded model")


def values(text: str) -> list[int]:
    return [int(word) for word in re.findall(r"-?\d+", text)]


def numbers(*values: int) -> str:
    return " ".join(f"It is {value}." for value in values)


class Additive:
    """A model that gives each word its own value and adds them up; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[float]:
        self.calls.append(list(texts))
        return [float(sum(values(text))) for text in texts]


@pytest.fixture(scope="module")
def reranker(checkpoint: Path) -> Iterator[Reranker]:
    with Reranker(checkpoint) as loaded:
        yield loaded


def test_contributions_of_an_additive_model_are_its_values() -> None:
    text = numbers(3, 10, 0, 5)
    model = Additive()
    found = explain(text, model, read=len(text))
    assert found.score == 18
    assert [s.contribution for s in found.sentences] == [3, 10, 0, 5]
    assert [s.score_without for s in found.sentences] == [15, 8, 18, 13]
    assert [s.text for s in found.sentences] == [numbers(value) for value in (3, 10, 0, 5)]
    assert found.best == 1 and found.faithfulness is not None
    # Rationales of 1 and 2 sentences: 10, and 10 with 5.
    assert found.faithfulness.comprehensiveness == (10 + 15) / 2
    assert found.faithfulness.sufficiency == ((18 - 10) + (18 - 15)) / 2
    assert found.faithfulness.best_alone == 10
    assert found.faithfulness.agreement == 1.0
    left = [numbers(10, 0, 5), numbers(3, 0, 5), numbers(3, 10, 5), numbers(3, 10, 0) + " "]
    assert model.calls[0] == [text, text, *left]  # the text, and what was read of it
    assert len(model.calls) == 2


def test_a_model_that_the_contributions_do_not_foretell_agrees_by_chance() -> None:
    # One of the two 9s is enough: leaving out one costs nothing, which says nothing about leaving out both.
    def redundant(texts: Sequence[str]) -> list[float]:
        found = [values(text) for text in texts]
        return [max(value, default=0) + 0.1 * sum(v for v in value if v < 9) for value in found]

    text = numbers(9, 1, 2, 3, 9)
    agreement = explain(text, redundant, read=len(text)).faithfulness.agreement  # type: ignore[union-attr]
    assert agreement is not None and agreement < 0.7
    assert explain(text, Additive(), read=len(text)).faithfulness.agreement == 1.0  # type: ignore[union-attr]


def test_sigmoid_scores_keep_the_order_of_the_logits() -> None:
    text = numbers(40, 50, -10)
    found = explain(text, Additive(), read=len(text), scores="sigmoid")
    assert found.score == 1.0 and found.best == 1
    assert all(0 <= s.score_without <= 1 for s in found.sentences)


@pytest.mark.parametrize("text", ["", "7"])
def test_short_texts(text: str) -> None:
    found = explain(text, Additive(), read=len(text))
    assert found.score == (7 if text else 0)
    if text:
        assert found.best == 0 and found.faithfulness is not None
        assert found.faithfulness.sufficiency == 0 and found.faithfulness.comprehensiveness == 7
        assert found.faithfulness.agreement is None
    else:
        assert found.sentences == () and found.best is None and found.faithfulness is None


def test_what_was_not_read_is_marked_and_never_scored() -> None:
    model = Additive()
    text = numbers(1, 2, 3, 4, 5)
    read = text.index("It is 4")

    def truncating(texts: Sequence[str]) -> list[float]:
        return model([variant[:read] for variant in texts])

    found = explain(text, truncating, read=read)
    assert found.truncated and found.score == 6
    assert [(s.contribution, s.read) for s in found.sentences] == [
        (1, True), (2, True), (3, True), (0, False), (0, False),
    ]  # fmt: skip
    assert all(s.score_without == 6 for s in found.sentences if not s.read)
    assert not any("4" in variant for call in model.calls for variant in call)


def test_many_sentences_are_left_out_in_groups() -> None:
    model = Additive()
    text = numbers(*range(512))
    found = explain(text, model, read=len(text))
    assert found.grouped and len(found.sentences) <= MAX_SENTENCES
    assert found.best == len(found.sentences) - 1
    assert len(model.calls[0]) == len(found.sentences) + 2
    assert len(model.calls[1]) <= 30
    assert math.isclose(sum(s.contribution for s in found.sentences), found.score)


@given(
    parts=st.lists(st.integers(-9, 99), max_size=30),
    read=st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    limit=st.integers(1, 40),
    scores=st.sampled_from(["raw", "sigmoid"]),
)
def test_what_holds_for_every_text(parts: list[int], read: float, limit: int, scores: str) -> None:
    text = "".join(f"word {value}. " for value in parts)
    end = int(read * len(text))
    talk = explaining(text, read=end, scores=scores, limit=limit)  # type: ignore[arg-type]
    rng = np.random.default_rng(len(parts))
    texts, asked, known = next(talk), [], {"": 0.0}
    while True:
        asked += texts
        try:
            texts = talk.send([known.setdefault(variant, rng.normal()) for variant in texts])
        except StopIteration as stop:
            found: Explanation = stop.value
            break
    assert "".join(text[s.start : s.end] for s in found.sentences) == text
    assert len(found.sentences) <= 2 * limit and len(asked) <= limit + 1 + 26
    assert all(s.read == (s.end <= end) for s in found.sentences)
    if end == len(text):
        assert all(s.contribution == found.score - s.score_without for s in found.sentences)
    if found.best is not None:
        assert found.sentences[found.best].score_without == min(s.score_without for s in found.sentences if s.read)
        assert found.faithfulness is not None
        assert found.faithfulness.agreement is None or 0 <= found.faithfulness.agreement <= 1


@NEEDS_EMBEDDED
def test_the_answer_carries_the_score() -> None:
    document = "".join([*FILLER[:2], ANSWER, *FILLER[2:]])
    with Reranker() as embedded:
        found = embedded.explain(QUERY, document)
        assert found.best is not None and found.sentences[found.best].text == ANSWER.strip()
        assert found.score == embedded.score([(QUERY, document)])[0]
        without = embedded.score([(QUERY, "".join(FILLER))])[0]
        assert found.sentences[found.best].score_without == without
        for poor in ("", " ", "One."):
            assert embedded.explain(QUERY, poor).score == embedded.score([(QUERY, poor)])[0]


@pytest.mark.parametrize("truncation", ["flag", "longest_first"])
def test_only_what_was_read_takes_part(reranker: Reranker, truncation: str) -> None:
    document = "".join(FILLER) * 30
    view = reranker.with_options(max_length=64, truncation=truncation)  # type: ignore[arg-type]
    found = view.explain(QUERY, document)
    assert found.truncated and found.score == view.score([(QUERY, document)])[0]
    read = [document[s.start : s.end] for s in found.sentences if s.read]
    part = "".join(read)
    assert 0 < len(part) < len(document) and "".join(s.text for s in found.sentences if not s.read)
    # Tokens behind the place do not count, the one before it does.
    assert view.score([(QUERY, document[: len(part) + 40])])[0] == found.score
    assert not view.score_details([(QUERY, part[: len(part) - 6])])[0].truncated
    assert view.score_details([(QUERY, document[: len(part) + 6])])[0].truncated
    without = view.score([(QUERY, "".join(read[:1] + read[2:]))])[0]
    assert found.sentences[1].score_without == without
    assert found.sentences[1].contribution == view.score([(QUERY, part)])[0] - without


def test_a_query_that_leaves_no_room(reranker: Reranker) -> None:
    found = reranker.with_options(max_length=64, query_max_length=64).explain("long " * 99, ANSWER)
    assert found.truncated and found.best is None and not any(s.read for s in found.sentences)


def test_windows_read_everything(reranker: Reranker) -> None:
    document = "".join(FILLER) * 12
    view = reranker.with_options(max_length=64, windows=Windows(size=24, overlap=4))
    found = view.explain(QUERY, document)
    assert not found.truncated and all(s.read for s in found.sentences)
    assert found.score == view.score([(QUERY, document)])[0]


def test_fields_are_explained_as_the_template_shows_them(reranker: Reranker) -> None:
    document = {"title": "Archive", "body": ANSWER, "price": 3}
    view = reranker.with_options(template="{title}\n{body}")
    found = view.explain(QUERY, document)
    assert found.text == f"Archive\n{ANSWER}"
    assert [s.text for s in found.sentences] == ["Archive", ANSWER.strip()]
    assert found.score == view.score([(QUERY, document)])[0]
