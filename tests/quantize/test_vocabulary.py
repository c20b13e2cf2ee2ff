"""A cut vocabulary: texts whose tokens stay are cut into the same tokens; others are still read."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from resift.errors import InputError, UnsupportedModel
from resift.loading.checkpoint import Checkpoint
from resift.quantize.languages import SCRIPTS, listed_pieces, scripts_of
from resift.quantize.texts import built_in_texts
from resift.quantize.vocabulary import Vocabulary, trim
from tests.vocabularies import LETTERS, SUFFIXES, WORDS, byte_level, unigram, wordpiece

VOCAB = 400
TOKENIZERS = {"unigram": unigram, "wordpiece": wordpiece}


def checkpoint(tokenizer: Tokenizer, **config: object) -> Checkpoint:
    spec = SimpleNamespace(vocab=tokenizer.get_vocab_size())
    return cast("Checkpoint", SimpleNamespace(tokenizer=tokenizer, config=config, spec=spec))


@cache
def cut(kind: str, text: str) -> tuple[Tokenizer, Vocabulary]:
    tokenizer = TOKENIZERS[kind](VOCAB)
    return tokenizer, trim(checkpoint(tokenizer), None, [text])


texts = st.lists(
    st.one_of(
        st.sampled_from(WORDS),
        st.builds(lambda word, suffix: word + suffix, st.sampled_from(WORDS), st.sampled_from(SUFFIXES)),
        st.text(st.sampled_from([*LETTERS, *"abcxyz019.,-!"]), max_size=6),
    ),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(data=st.data())
def test_texts_of_kept_tokens_are_cut_alike(kind: str, data: st.DataObject) -> None:
    tokenizer, vocabulary = cut(kind, "how to train deep learning models: 河流のなに Погода")
    assert len(vocabulary.kept) < VOCAB
    text = data.draw(texts)
    old = tokenizer.encode(text)
    new = vocabulary.tokenizer.encode(text)
    if set(old.ids) <= set(vocabulary.kept.tolist()):
        assert [int(vocabulary.kept[i]) for i in new.ids] == old.ids
        assert new.tokens == old.tokens
        assert new.offsets == old.offsets
    assert all(0 <= i < len(vocabulary.kept) for i in new.ids)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=texts)
@settings(max_examples=30)
def test_the_texts_given_keep_all_their_tokens(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind](VOCAB)
    vocabulary = trim(checkpoint(tokenizer), None, [text])
    old, new = tokenizer.encode(text), vocabulary.tokenizer.encode(text)
    assert new.tokens == old.tokens
    assert [int(vocabulary.kept[i]) for i in new.ids] == old.ids


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_special_tokens_and_frames_follow(kind: str) -> None:
    tokenizer, vocabulary = cut(kind, "query")
    old, new = tokenizer.encode("query", "a query"), vocabulary.tokenizer.encode("query", "a query")
    assert new.special_tokens_mask == old.special_tokens_mask
    assert [t for t, s in zip(new.tokens, new.special_tokens_mask, strict=True) if s] == [
        t for t, s in zip(old.tokens, old.special_tokens_mask, strict=True) if s
    ]
    assert {t.content for t in vocabulary.tokenizer.get_added_tokens_decoder().values()} == {
        t.content for t in tokenizer.get_added_tokens_decoder().values()
    }


def test_removed_words_become_smaller_tokens() -> None:
    tokenizer, vocabulary = cut("unigram", "query")
    assert tokenizer.encode("weather", add_special_tokens=False).tokens == ["▁weather"]
    assert vocabulary.tokenizer.encode("weather", add_special_tokens=False).tokens == ["▁", *"weather"]


def test_other_scripts_become_unknown() -> None:
    _, vocabulary = cut("unigram", "query")
    unknown = vocabulary.tokenizer.token_to_id("<unk>")
    assert unknown in vocabulary.tokenizer.encode("河", add_special_tokens=False).ids


def test_a_language_keeps_its_script() -> None:
    tokenizer = unigram(VOCAB)
    vocabulary = trim(checkpoint(tokenizer), ["ja"], None)
    kept = {tokenizer.id_to_token(int(i)) for i in vocabulary.kept}
    assert set("なにのは河流") <= kept
    assert not kept & set("кампог")
    assert set("abc1!") <= kept
    assert "▁weather" not in kept


def test_what_cannot_be_cut() -> None:
    with pytest.raises(UnsupportedModel, match="BPE tokenizer cannot be cut"):
        trim(checkpoint(byte_level(VOCAB)), ["en"], None)
    with pytest.raises(UnsupportedModel, match="match features need its whole vocabulary"):
        trim(checkpoint(unigram(VOCAB), resift={"matching": {}}), ["en"], None)
    with pytest.raises(InputError, match="unknown languages: xx") as caught:
        trim(checkpoint(unigram(VOCAB)), ["xx"], None)
    assert "zh" in str(caught.value.hint)
    with pytest.raises(InputError, match="none given"):
        trim(checkpoint(unigram(VOCAB)), [], None)


def test_scripts() -> None:
    assert scripts_of("Wörter 123, …") == {"LATIN"}
    assert scripts_of("学习する") == {"CJK", "HIRAGANA"}
    assert scripts_of("2024-01!") == set()
    assert set(SCRIPTS["zh"]) & set(SCRIPTS["ja"]) == {"CJK", "IDEOGRAPHIC"}


def test_lists_are_of_one_vocabulary_only() -> None:
    assert listed_pieces("en", ["a", "b"]) is None


@dataclass(frozen=True)
class Real:
    tokenizer: Tokenizer
    pieces: list[str]


@pytest.fixture(scope="module")
def real(shared: Path) -> Real:
    file = shared / "data" / "tokenizers" / "xlm-roberta" / "tokenizer.json"
    pieces = [piece for piece, _ in json.loads(file.read_bytes())["model"]["vocab"]]
    return Real(Tokenizer.from_file(str(file)), pieces)


@pytest.mark.data
def test_lists_fit_the_real_vocabulary(real: Real) -> None:
    listed = listed_pieces("en", real.pieces)
    assert listed is not None
    assert {"▁the", "▁of"} <= {real.pieces[i] for i in listed}
    assert 10_000 < len(listed) < 60_000
    assert listed_pieces("th", real.pieces) is None


@pytest.mark.data
def test_the_real_tokenizer_cut_to_two_languages(real: Real) -> None:
    vocabulary = trim(checkpoint(real.tokenizer), ["zh", "en"], None)
    assert 20_000 < len(vocabulary.kept) < 60_000
    kept = set(vocabulary.kept.tolist())
    for text in built_in_texts(list(SCRIPTS)):
        old, new = real.tokenizer.encode(text), vocabulary.tokenizer.encode(text)
        if set(old.ids) <= kept:
            assert new.tokens == old.tokens
    for text in built_in_texts(["zh", "en"]):
        assert set(real.tokenizer.encode(text).ids) <= kept
