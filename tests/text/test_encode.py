from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from resift.errors import LengthError
from resift.text.encode import EncodedPair, PairEncoder
from resift.text.truncation import Limits
from resift.types import Int32, ModelSpec, Truncation, Windows

WORDS = {f"w{i}": i for i in range(10, 90)}
CLS, SEP = 1, 2


def spec(*, separators: int = 2, document_type: int = 0) -> ModelSpec:
    return ModelSpec(
        family="xlm-roberta",
        layers=1,
        hidden=8,
        heads=1,
        ffn=8,
        vocab=100,
        positions=600,
        position_offset=2,
        types=2,
        norm_eps=1e-5,
        activation="gelu",
        cls_id=CLS,
        sep_id=SEP,
        separators=separators,
        document_type=document_type,
    )


def tokenizer() -> Tokenizer:
    built = Tokenizer(models.WordLevel({"[UNK]": 0, **WORDS}, unk_token="[UNK]"))
    built.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return built


def encoder(
    max_length: int = 20, policy: Truncation = "flag", *, query_max: int = 15, model: ModelSpec | None = None
) -> PairEncoder:
    return PairEncoder(tokenizer(), model or spec(), limits=Limits(max_length, query_max, policy))


def words(*ids: int) -> str:
    return " ".join(f"w{i}" for i in ids)


def pair(built: PairEncoder, query: str, document: str, windows: Windows | None = None) -> EncodedPair:
    return built.encode([(query, document)], windows=windows)[0]


def test_roberta_pair() -> None:
    encoded = pair(encoder(), words(10, 11), words(20, 21, 22))
    (sequence,) = encoded.sequences
    assert sequence.ids.tolist() == [CLS, 10, 11, SEP, SEP, 20, 21, 22, SEP]
    assert sequence.types is None
    assert not encoded.truncated


def test_bert_pair() -> None:
    model = spec(separators=1, document_type=1)
    (sequence,) = pair(encoder(model=model), words(10, 11), words(20, 21)).sequences
    assert sequence.ids.tolist() == [CLS, 10, 11, SEP, 20, 21, SEP]
    assert sequence.types is not None
    assert sequence.types.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_truncation_is_told() -> None:
    built = encoder(max_length=8)
    assert not pair(built, words(10), words(20, 21, 22)).truncated
    cut = pair(built, words(10), words(20, 21, 22, 23))
    assert cut.truncated and cut.sequences[0].ids.tolist() == [CLS, 10, SEP, SEP, 20, 21, 22, SEP]
    assert pair(encoder(max_length=20, query_max=1), words(10, 11), words(20)).truncated


def test_a_query_that_fills_everything_leaves_the_document_out() -> None:
    cut = pair(encoder(max_length=6, query_max=6), words(*range(10, 20)), words(20))
    assert cut.truncated and cut.sequences[0].ids.tolist() == [CLS, 10, 11, SEP, SEP, SEP]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_empty_documents(text: str) -> None:
    encoded = pair(encoder(), words(10), text)
    assert encoded.sequences[0].ids.tolist() == [CLS, 10, SEP, SEP, SEP]
    assert not encoded.truncated
    windowed = pair(encoder(), words(10), text, Windows(overlap=0))
    assert len(windowed.sequences) == 1 and windowed.spans == ((0, 0),)


def test_windows_and_their_characters() -> None:
    document = words(*range(20, 30))
    encoded = pair(encoder(), words(10), document, Windows(size=4, overlap=1))
    assert [s.ids[4:-1].tolist() for s in encoded.sequences] == [[20, 21, 22, 23], [23, 24, 25, 26], [26, 27, 28, 29]]
    assert [document[start:end] for start, end in encoded.spans] == [
        words(20, 21, 22, 23),
        words(23, 24, 25, 26),
        words(26, 27, 28, 29),
    ]
    assert not encoded.truncated


def test_windows_with_a_query_that_fills_everything() -> None:
    with pytest.raises(LengthError):
        pair(encoder(max_length=6, query_max=6), words(*range(10, 20)), words(20), Windows(overlap=0))


@given(st.integers(1, 3000), st.sampled_from([" ", "\n", "  \n "]))
def test_a_long_text_is_read_as_if_whole(count: int, space: str) -> None:
    document = space.join(f"w{10 + i % 80}" for i in range(count))
    cut = pair(encoder(max_length=40), words(10), document)
    expected = [10 + i % 80 for i in range(min(count, 40 - 5))]
    assert cut.sequences[0].ids[4:-1].tolist() == expected
    assert cut.truncated == (count > 35)


def test_a_long_text_of_spaces_is_read_to_its_end() -> None:
    encoded = pair(encoder(max_length=40), words(10), " " * 100_000 + words(20))
    assert encoded.sequences[0].ids.tolist() == [CLS, 10, SEP, SEP, 20, SEP]
    assert not encoded.truncated


def test_a_long_text_is_not_read_to_its_end_for_nothing() -> None:
    class Counting:
        read = 0

        def __init__(self) -> None:
            self.inner = tokenizer()

        def encode_batch_fast(self, texts: list[str], *, add_special_tokens: bool) -> object:
            self.read += sum(map(len, texts))
            return self.inner.encode_batch_fast(texts, add_special_tokens=add_special_tokens)

    counting = Counting()
    built = PairEncoder(counting, spec(), limits=Limits(40, 30, "flag"))  # type: ignore[arg-type]
    assert pair(built, words(10), "w20 " * 1_000_000).truncated
    assert counting.read < 10_000


class Features:
    """Types say on which side a token is; the prior is the number of shared tokens."""

    def encode_query(self, query_ids: Int32) -> Int32:
        return query_ids

    def match_many(self, query: Int32, documents: Sequence[Int32]) -> list[tuple[Int32, Int32, float]]:
        return [self.match(query, ids) for ids in documents]

    def match(self, query: Int32, document_ids: Int32) -> tuple[Int32, Int32, float]:
        return np.full(len(query), 3), np.full(len(document_ids), 4), float(np.isin(query, document_ids).sum())


def test_match_features_see_what_the_model_sees() -> None:
    built = PairEncoder(tokenizer(), spec(separators=1), limits=Limits(8, 6, "longest_first"), features=Features())
    (sequence,) = pair(built, words(10, 11, 12, 13), words(13, 20, 12, 11, 10)).sequences
    assert sequence.ids.tolist() == [CLS, 10, 11, SEP, 13, 20, 12, SEP]
    assert sequence.types is not None and sequence.types.tolist() == [0, 3, 3, 0, 4, 4, 4, 0]
    assert sequence.prior == 0
    (sequence,) = pair(built, words(10, 11), words(11, 10)).sequences
    assert sequence.prior == 2
