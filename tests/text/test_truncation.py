from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from resift.errors import InputError, LengthError
from resift.text.truncation import Limits, split, window_bounds
from resift.types import Windows

COUNT = st.integers(0, 60)


@given(COUNT, COUNT, st.integers(1, 50))
def test_longest_first_is_the_rule_of_the_tokenizers_library(query: int, document: int, room: int) -> None:
    tokenizer = Tokenizer(models.WordLevel({"q": 0, "d": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(room, strategy="longest_first")
    encoding = tokenizer.encode("q " * query, "d " * document)
    expected = (encoding.ids.count(0), encoding.ids.count(1))
    assert split(query, document, room, Limits(room, room, "longest_first")) == expected


@given(COUNT, COUNT, st.integers(4, 50), st.integers(1, 50))
def test_flag_cuts_the_query_then_the_document(query: int, document: int, room: int, query_max: int) -> None:
    kept_query, kept_document = split(query, document, room, Limits(room, query_max, "flag"))
    assert kept_query == min(query, query_max, room)
    assert kept_document == min(document, room - kept_query)


@given(st.integers(0, 500), st.integers(1, 80), st.integers(1, 40), st.integers(0, 39))
def test_windows_cover_every_token_once_or_overlapping(document: int, room: int, size: int, overlap: int) -> None:
    windows = Windows(size=size, overlap=overlap)
    if overlap >= min(size, room):
        with pytest.raises(InputError):
            window_bounds(document, room, windows)
        return
    bounds = window_bounds(document, room, windows)
    assert bounds[0][0] == 0 and bounds[-1][1] == document
    assert all(end - start <= min(size, room) for start, end in bounds)
    for (start, end), (next_start, next_end) in pairwise(bounds):
        assert start < next_start and end < next_end and next_start == end - overlap


def test_a_query_that_fills_everything_leaves_no_windows() -> None:
    with pytest.raises(LengthError):
        window_bounds(10, 0, Windows())
