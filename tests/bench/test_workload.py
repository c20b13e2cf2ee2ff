import pytest
from tokenizers import Tokenizer

from resift.bench.workload import NAMES, make_workload
from tests.vocabularies import unigram, wordpiece


@pytest.mark.parametrize("tokenizer", [unigram(400), wordpiece(400)], ids=["unigram", "wordpiece"])
@pytest.mark.parametrize("name", NAMES)
def test_pairs_have_the_lengths_they_are_said_to_have(tokenizer: Tokenizer, name: str) -> None:
    workload = make_workload(name, tokenizer)
    assert [len(encoding.ids) for encoding in tokenizer.encode_batch(workload.pairs)] == workload.tokens
    assert max(workload.tokens) <= 512


def test_the_mix_is_that_of_the_plan() -> None:
    tokens = make_workload("rag", unigram(400)).tokens
    assert len(tokens) == 100
    assert sum(tokens) / 100 == pytest.approx(147, abs=1)
    assert make_workload("rag", unigram(400), pairs=7).tokens == tokens[:7]


def test_the_same_seed_gives_the_same_pairs() -> None:
    first, second = (make_workload("ten", unigram(400)) for _ in range(2))
    assert first == second
    assert make_workload("ten", unigram(400), seed=8).pairs != first.pairs


def test_a_tokenizer_without_words() -> None:
    with pytest.raises(ValueError, match="no word"):
        make_workload("single", unigram(60))
