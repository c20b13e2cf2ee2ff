"""Training data as users write it: read, checked, and what was wrong with it named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift.errors import InputError
from resift.training.examples import (
    Example,
    Findings,
    check,
    normalise,
    read_examples,
    texts_of,
    with_negatives,
    write_examples,
)


def write(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def test_lines_of_flag_embedding(tmp_path: Path) -> None:
    file = write(
        tmp_path / "data.jsonl",
        {"query": "红茶", "pos": ["一壶红茶"], "neg": ["咖啡", "水"], "pos_scores": [5], "neg_scores": [0.5, -1]},
        {"query": "tea", "pos": ["a pot of tea"], "neg": ["coffee"], "prompt": "relevant?"},
    )
    examples, findings = read_examples(file)
    assert examples[0] == Example(
        "红茶", ("一壶红茶",), ("咖啡", "水"), (5.0,), (0.5, -1.0), source="data.jsonl, line 1"
    )
    assert examples[0].scored
    assert not examples[1].scored
    assert findings.lines() == [
        "prompts that are not read: cross-encoders score the query as it is: 1 (data.jsonl, line 2)"
    ]


def test_documents_with_fields(tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", {"query": "kettle", "pos": [{"title": "Kettle", "price": 9}], "neg": ["cup"]})
    (plain,), _ = read_examples(file)
    assert plain.positives == ("title: Kettle\nprice: 9",)
    (made,), _ = read_examples(file, template="{title} for {price}")
    assert made.positives == ("Kettle for 9",)
    with pytest.raises(
        InputError, match=r"line 1: the document has .*'price'.*none of the template's fields 'name'|line 1"
    ):
        read_examples(file, template="{name}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"query": 3, "pos": ["a"]}, "the field 'query' is not a text"),
        ({"query": "q", "pos": "a"}, "the field 'pos' is str 'a', not a list of texts"),
        ({"query": "q", "pos": [1]}, "the field 'pos' is list"),
        ({"query": "q", "pos": ["a"], "neg": {}}, "the field 'neg' is dict"),
        ({"query": "q", "pos": ["a"], "pos_scores": [1, 2]}, "'pos_scores' has 2 scores for 1 documents"),
        ({"query": "q", "pos": ["a"], "pos_scores": ["x"]}, "not a list of numbers"),
        ({"query": "q", "pos": ["a"], "pos_scores": [float("nan")]}, "not a finite number"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(row: object, reason: str, tmp_path: Path) -> None:
    file = write(tmp_path / "data.jsonl", {"query": "q", "pos": ["a"]}, row)
    with pytest.raises(InputError, match=reason) as caught:
        read_examples(file)
    assert "data.jsonl, line 2" in str(caught.value)


def test_what_is_wrong_is_put_right_and_counted(tmp_path: Path) -> None:
    file = write(
        tmp_path / "data.jsonl",
        {
            "query": "Green tea?",
            "pos": ["Tea is green.", "tea is GREEN"],
            "neg": ["coffee", " ", "Coffee!", "Tea is green"],
        },
        {"query": "green tea", "pos": ["A green leaf."], "neg": ["Tea, is green", "milk"]},
        {"query": "green tea", "pos": ["a green leaf"], "neg": ["Milk."]},
        {"query": "  ", "pos": ["a"], "neg": ["b"]},
        {"query": "empty", "pos": [], "neg": ["b"]},
    )
    examples, findings = read_examples(file)
    assert [(one.positives, one.negatives) for one in examples] == [
        (("Tea is green.",), ("coffee",)),
        (("A green leaf.",), ("milk",)),  # what is positive on line 1 is no negative on line 2
    ]
    assert findings.counts() == {
        "documents left out, twice in one list": 2,
        "documents left out, empty": 1,
        "negatives left out, positive for the same query": 2,
        "lines left out, the same stands further up": 1,
        "lines left out, the query is empty": 1,
        "lines left out, no positive document": 1,
    }
    assert "data.jsonl, line 5" in findings.lines()[-1]


def test_scores_stay_with_their_documents() -> None:
    given_ = Example("q", ("a", "A", "b"), ("c", "a", "d"), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    (checked,), _ = check([given_])
    assert (checked.positives, checked.positive_scores) == (("a", "b"), (1.0, 3.0))
    assert (checked.negatives, checked.negative_scores) == (("c", "d"), (4.0, 6.0))


def test_folders_of_judged_queries(tmp_path: Path) -> None:
    write(tmp_path / "corpus.jsonl", *({"id": name, "text": f"text {name}"} for name in "abcde"))
    write(tmp_path / "queries.jsonl", {"id": "q1", "text": "one"}, {"id": "q2", "text": "two"})
    (tmp_path / "qrels.tsv").write_text("q1\ta\t2\nq1\tb\t0\nq2\tc\t0\n")
    (tmp_path / "candidates.tsv").write_text("q1\te a b d\nq2\ta\n")
    examples, findings = read_examples(tmp_path)
    (only,) = examples
    assert (only.query, only.positives, only.negatives) == ("one", ("text a",), ("text b", "text e", "text d"))
    assert findings.counts() == {"lines left out, no positive document": 1}


def test_lines_of_resift_eval(tmp_path: Path) -> None:
    file = write(tmp_path / "judged.jsonl", {"query": "q", "documents": ["a", "b", "c"], "labels": [0, 1, 0]})
    (only,), _ = read_examples(file)
    assert (only.positives, set(only.negatives)) == (("b",), {"a", "c"})


def test_examples_without_negatives_are_counted() -> None:
    findings = Findings()
    kept = with_negatives([Example("a", ("b",)), Example("c", ("d",), ("e",))], findings)
    assert [one.query for one in kept] == ["c"]
    assert "resift train mine" in findings.lines()[0]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    examples = [
        Example("q", ("a",), ("b", "c"), (1.5,), (0.25, -3.0), source="out.jsonl, line 1"),
        Example("问", ("甲",), ("乙\u2028丙",), source="out.jsonl, line 2"),
    ]
    assert write_examples(tmp_path / "out.jsonl", examples) == 2
    assert read_examples(tmp_path / "out.jsonl")[0] == examples
    assert list(texts_of(examples)) == ["a", "b", "c", "甲", "乙\u2028丙"]


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert normalise(f"  {text.upper() if text.isascii() else text}\n") == once


def test_texts_without_letters_differ() -> None:
    assert normalise("C++") == "c"
    assert normalise("?!") != normalise("!!")
    assert normalise("Ｔｅａ　ｔｉｍｅ") == normalise("tea-TIME")
