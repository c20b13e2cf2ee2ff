"""Negatives are hard, and no answers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from resift.errors import InputError
from resift.training.examples import Example, Findings
from resift.training.finding import VectorFinder, WordFinder
from resift.training.mining import Mining, distill, mine
from resift.training.writing import write_made

TEXTS = [
    "The kettle boils water for green tea.",
    "The kettle boils water for green tea in three minutes.",
    "A green kettle stands on the shelf.",
    "A kettle needs power.",
    "Water is wet.",
    "Trains leave at nine.",
]
EXAMPLE = Example("green kettle", (TEXTS[0],), source="data, line 1")


class Teacher:
    """Scores a document by a table, 0 for what is not in it."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores
        self.asked: list[str] = []

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += [document for _, document in pairs]
        return [self.scores.get(document, 0.0) for _, document in pairs]


def mined(mining: Mining, teacher: Teacher | None = None, examples: Sequence[Example] = (EXAMPLE,)) -> list[Example]:
    return list(mine(examples, TEXTS, WordFinder(TEXTS), mining=mining, teacher=teacher))


def test_the_best_that_are_no_answers_are_taken() -> None:
    (found,) = mined(Mining(count=2, ranks=(1, 10)))
    assert found.negatives == (TEXTS[2], TEXTS[3])  # not the answer, and not the answer with some words more


def test_ranks_are_passed_over() -> None:
    (found,) = mined(Mining(count=5, ranks=(3, 10)))
    assert TEXTS[2] not in found.negatives
    assert Mining().bounds(taught=False) == (10, 200)
    assert Mining().bounds(taught=True) == (1, 200)


def test_an_answer_on_another_line_is_no_negative() -> None:
    other = Example("Green kettle!", (TEXTS[2],), source="data, line 2")
    found = mined(Mining(count=5, ranks=(1, 10)), examples=[EXAMPLE, other])
    assert all(TEXTS[2] not in one.negatives and TEXTS[0] not in one.negatives for one in found)


def test_given_negatives_stay_and_come_once() -> None:
    given = Example("green kettle", (TEXTS[0],), ("a kettle needs POWER",))
    (found,) = mined(Mining(count=5, ranks=(1, 10)), examples=[given])
    assert found.negatives[0] == "a kettle needs POWER"
    assert TEXTS[3] not in found.negatives


def test_a_teacher_leaves_answers_out_and_its_scores_are_kept() -> None:
    teacher = Teacher({TEXTS[0]: 4.0, TEXTS[2]: 3.9, TEXTS[3]: -2.0, TEXTS[4]: -3.0})
    findings = Findings()
    (found,) = mine(
        [EXAMPLE], TEXTS, WordFinder(TEXTS), mining=Mining(count=2, margin=1.0), teacher=teacher, findings=findings
    )
    assert found.negatives == (TEXTS[3],)
    assert found.positive_scores == (4.0,)
    assert found.negative_scores == (-2.0,)
    assert findings.counts() == {
        "candidates left out, the teacher takes them for answers": 1,
        "queries for which fewer negatives were found than asked for": 1,
    }


@pytest.mark.parametrize(
    ("mining", "positives", "highest"),
    [
        (Mining(margin=1.0), [4.0, 2.5], 1.5),
        (Mining(margin=-0.5), [1.0], 1.5),
        (Mining(share=0.5), [0.0], float(np.log(0.25 / 0.75))),
        (Mining(share=1.0), [0.7], 0.7),
        (Mining(share=1.0, margin=2.0), [0.7], -1.3),
    ],
)
def test_the_highest_score_of_a_negative(mining: Mining, positives: list[float], highest: float) -> None:
    assert mining.highest(positives) == pytest.approx(highest)


def test_a_random_pick_follows_the_seed_and_not_the_place() -> None:
    texts = [f"kettle number {i}" for i in range(50)]
    examples = [Example(f"kettle {i}", (f"answer {i}",)) for i in range(5)]
    finder = WordFinder(texts)

    def pick(seed: int, start: int = 0) -> list[tuple[str, ...]]:
        mining = Mining(count=3, ranks=(1, 50), pick="random", seed=seed)
        return [one.negatives for one in mine(examples, texts, finder, mining=mining, start=start)]

    assert pick(0) == pick(0)
    assert pick(0)[3:] == pick(0, start=3)
    assert pick(0) != pick(1)


@pytest.mark.parametrize(
    ("mining", "reason"),
    [
        (Mining(count=0), "count is 0"),
        (Mining(ranks=(5, 2)), "ranks are 5 to 2"),
        (Mining(margin=1.0), "compare the scores of a teacher"),
        (Mining(share=1.5), "share is 1.5"),
    ],
)
def test_settings_that_choose_nothing(mining: Mining, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        mined(mining)


class Letters:
    """An encoder that counts letters."""

    name = "letters"
    dimension = 26

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        return self.encode_documents(texts)

    def encode_documents(self, texts: Sequence[str]) -> np.ndarray:
        counts = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        return counts / np.where(lengths == 0, 1, lengths)


def test_vectors_find_the_nearest() -> None:
    finder = VectorFinder(["abc", "", "zzz", "cab", "abcz"], Letters())
    assert finder.find(["abc", "", "z"], top_k=3) == [[0, 3, 4], [], [2, 4]]


def test_a_teachers_scores() -> None:
    given = Example("q", ("a", "b"), ("c",), source="here")
    (scored,) = distill([given], Teacher({"a": 1.0, "b": 2.0, "c": -1.0}))
    assert scored == Example("q", ("a", "b"), ("c",), (1.0, 2.0), (-1.0,), source="here")


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    examples = [Example(f"q{i}", (f"a{i}",), (f"b{i}",)) for i in range(6)]
    teacher = Teacher({f"a{i}": float(i) for i in range(6)})

    def broken(start: int):
        for number, one in enumerate(distill(examples[start:], teacher)):
            if number == 4:
                raise KeyboardInterrupt
            yield one

    file, made_by = tmp_path / "out.jsonl", {"teacher": "t"}
    with pytest.raises(KeyboardInterrupt):
        write_made(file, examples, broken, made_by=made_by)
    assert not file.exists()
    part = tmp_path / "out.jsonl.part"
    part.write_text(part.read_text()[:-5])  # the last line is cut short
    teacher.asked.clear()
    with pytest.raises(InputError, match="other settings"):
        write_made(file, examples, broken, made_by={"teacher": "u"})
    with pytest.raises(InputError, match="other data"):
        write_made(file, examples[::-1], broken, made_by=made_by)
    kept = write_made(file, examples, lambda start: distill(examples[start:], teacher), made_by=made_by)
    assert kept == 3
    assert teacher.asked == ["a3", "b3", "a4", "b4", "a5", "b5"]
    whole = tmp_path / "whole.jsonl"
    write_made(whole, examples, lambda start: distill(examples[start:], teacher), made_by=made_by)
    assert file.read_text() == whole.read_text()
    assert not part.exists()
    with pytest.raises(InputError, match="exists already"):
        write_made(file, examples, broken, made_by=made_by)
