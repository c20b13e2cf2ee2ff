"""The embedded model's match features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from resift.text.grams import GramTable
from resift.text.matching import DOCUMENT_TYPE, FEATURES, QUERY_TYPE, TYPES, Matcher

FOLDER = Path(__file__).parents[2] / "src" / "resift" / "embedded"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def config() -> dict[str, object]:
    matching: dict[str, object] = json.loads((FOLDER / "config.json").read_text())["resift"]["matching"]
    return matching


@pytest.fixture(scope="module")
def matcher(tokenizer: Tokenizer, config: dict[str, object]) -> Matcher:
    return Matcher.load(config, FOLDER, tokenizer)


def ids(tokenizer: Tokenizer, text: str) -> np.ndarray:
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)


PAIRS = [
    ("Who wrote the novel about the white whale?", "Herman Melville wrote the novel Moby Dick about a white whale.",
     "The bridge was opened to traffic in the spring of 1932."),
    ("长城有多长？", "长城全长约两万一千公里，是世界上最长的城墙。", "他喜欢在周末和朋友一起打篮球。"),
    ("كم عدد سكان القاهرة؟", "يبلغ عدد سكان القاهرة أكثر من تسعة ملايين نسمة.",
     "تقع الجبال في شمال البلاد وتغطيها الثلوج."),
    ("富士山の高さは何メートルですか。", "富士山の高さは3776メートルで、日本一高い山である。",
     "この料理には新鮮な野菜を使います。"),
    ("แม่น้ำเจ้าพระยายาวเท่าไร", "แม่น้ำเจ้าพระยามีความยาว 372 กิโลเมตร", "เขาชอบอ่านหนังสือในห้องสมุด"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "answer", "other"), PAIRS)
def test_answer_has_the_greater_prior(
    matcher: Matcher, tokenizer: Tokenizer, query: str, answer: str, other: str
) -> None:
    features = matcher.encode_query(ids(tokenizer, query))
    assert matcher.match(features, ids(tokenizer, answer))[2] > matcher.match(features, ids(tokenizer, other))[2] + 0.5


def test_types_have_the_shape_and_range_of_their_side(matcher: Matcher, tokenizer: Tokenizer) -> None:
    query, document = (ids(tokenizer, text) for text in PAIRS[0][:2])
    query_types, document_types, logit = matcher.match(matcher.encode_query(query), document)
    assert query_types.shape == query.shape and document_types.shape == document.shape
    assert query_types.dtype == document_types.dtype == np.int32
    assert query_types.min() >= QUERY_TYPE and query_types.max() < DOCUMENT_TYPE
    assert document_types.min() >= DOCUMENT_TYPE and document_types.max() < TYPES
    assert np.isfinite(logit)


def test_same_tokens_match_fully_and_strangers_do_not(matcher: Matcher, tokenizer: Tokenizer) -> None:
    query = ids(tokenizer, "photosynthesis")
    features = matcher.encode_query(query)
    full, _, _ = matcher.match(features, query)
    none, _, _ = matcher.match(features, ids(tokenizer, "Куда идёшь"))
    assert (full[full > QUERY_TYPE] >= QUERY_TYPE + 13).all()
    assert (none < QUERY_TYPE + 10).all()


def test_result_depends_on_the_pair_alone(matcher: Matcher, tokenizer: Tokenizer) -> None:
    texts = [ids(tokenizer, text) for pair in PAIRS for text in pair]
    features = matcher.encode_query(texts[0])
    before = [matcher.match(features, text) for text in texts]
    again = Matcher.load(json.loads((FOLDER / "config.json").read_text())["resift"]["matching"], FOLDER, tokenizer)
    for text, (query_types, types, logit) in reversed(list(zip(texts, before, strict=True))):
        kept = text.copy()
        other = again.match(again.encode_query(texts[0].astype(np.int64)), text.astype(np.int64))
        assert np.array_equal(other[0], query_types) and np.array_equal(other[1], types) and other[2] == logit
        assert np.array_equal(text, kept)


def test_long_inputs_are_exact_too(matcher: Matcher) -> None:
    rng = np.random.default_rng(0)
    query, document = rng.integers(300, 20_000, 200), rng.integers(300, 20_000, 480)
    first = matcher.match(matcher.encode_query(query), document)
    second = matcher.match(matcher.encode_query(query), document)
    assert first[2] == second[2] and np.array_equal(first[1], second[1])


@pytest.mark.parametrize(
    ("query", "document"), [("", ""), ("a", ""), ("", "a"), ("?", "!"), (" ", "𠮷"), ("🜚", "\x00")]
)
def test_poor_inputs_have_a_finite_logit(matcher: Matcher, tokenizer: Tokenizer, query: str, document: str) -> None:
    a, b = ids(tokenizer, query), ids(tokenizer, document)
    query_types, types, logit = matcher.match(matcher.encode_query(a), b)
    assert query_types.shape == a.shape and types.shape == b.shape and np.isfinite(logit)


def test_bytes_of_unknown_characters_match(matcher: Matcher, tokenizer: Tokenizer) -> None:
    features = matcher.encode_query(ids(tokenizer, "𠮷野家"))
    same = matcher.match(features, ids(tokenizer, "𠮷野家は有名です"))[2]
    assert same > matcher.match(features, ids(tokenizer, "東京は有名です"))[2]


def test_every_id_of_the_vocabulary_is_accepted(matcher: Matcher, tokenizer: Tokenizer) -> None:
    every = np.arange(tokenizer.get_vocab_size())
    features = matcher.encode_query(np.array([7, 500]))
    for part in np.array_split(every, 60):
        assert np.isfinite(matcher.match(features, part)[2])


def test_features_are_the_named_ones(matcher: Matcher, tokenizer: Tokenizer) -> None:
    text = ids(tokenizer, "regularisation keeps deep networks general")
    values = dict(zip(FEATURES, matcher.features(matcher.encode_query(text), text), strict=True))
    assert values["bigram_cover"] == values["window_long"] == values["same_script"] == pytest.approx(1.0)
    assert values["cross_bag"] == pytest.approx(0.0)


def test_grams_stay_inside_words(tokenizer: Tokenizer) -> None:
    cut = GramTable(tokenizer)
    assert len(cut(ids(tokenizer, "abcde fg")).coarse) == 5  # _abc abcd bcde cde_ _fg_
    assert len(cut(ids(tokenizer, "深度学习")).coarse) == 3
    assert len(cut(ids(tokenizer, "深度学习")).fine) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "version 1 is not known"),
        ({"file": "../x"}, "plain file name"),
        ({"file": 3}, "plain file name"),
        ({"vectors": None}, "plain file name"),
    ],
)
def test_bad_config_is_refused(
    tokenizer: Tokenizer, config: dict[str, object], change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Matcher.load({**config, **change}, FOLDER, tokenizer)


def test_tables_of_another_vocabulary_are_refused(config: dict[str, object]) -> None:
    small = Tokenizer.from_str(
        '{"version":"1.0","added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[["a",0.0],["b",-1.0]]}}'
    )
    with pytest.raises(ValueError, match="token_idf has shape"):
        Matcher.load(config, FOLDER, small)


def test_many_documents_are_matched_as_one_by_one(matcher: Matcher, tokenizer: Tokenizer) -> None:
    """Bit for bit, whatever stands beside them: also texts that begin inside a word, and empty ones."""
    whole = [ids(tokenizer, text) for pair in PAIRS for text in pair]
    texts = [text[start:] for text in whole for start in (0, 1, 2)] + [whole[0][:0]] + [whole[1]] * 200
    features = matcher.encode_query(whole[0])
    alone = [matcher.match(features, text) for text in texts]
    empty_last = [0, 1, 2, 3 * len(whole)]
    for order in (range(len(texts)), range(len(texts) - 1, -1, -1), empty_last):
        together = matcher.match_many(features, [texts[i] for i in order])
        for i, (query_types, types, prior) in zip(order, together, strict=True):
            assert query_types.tolist() == alone[i][0].tolist() and types.tolist() == alone[i][1].tolist()
            assert prior == alone[i][2]
    assert matcher.match_many(features, []) == []


def test_grams_of_many_texts_are_those_of_each(tokenizer: Tokenizer) -> None:
    cut, random = GramTable(tokenizer), np.random.RandomState(0)
    sizes = [*range(12), 100]
    texts = [random.randint(0, tokenizer.get_vocab_size(), sizes[i % len(sizes)]) for i in range(60)]
    for text, found in zip(texts, cut.many(texts), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, cut(text), strict=True))
