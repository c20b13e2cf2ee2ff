"""What goes over the pipes comes out as it went in, or not at all."""

import inspect
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resift import errors
from resift.engine.wire import Answer, Kind, Question, error_content, read_answer, read_question, write_answer
from resift.engine.wire import write_question as write
from resift.errors import EngineError, InputError, ResiftError
from resift.types import PackedBatch

TREE = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ResiftError)]


def made(kind: type[ResiftError]) -> ResiftError:
    error = kind.__new__(kind)
    ResiftError.__init__(error, "what went wrong: ärger", hint="what to do")
    return error


def batch_of(lengths: list[int], *, typed: bool) -> PackedBatch:
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    ids = np.arange(offsets[-1], dtype=np.int32)
    return PackedBatch(ids, offsets, ids % 3 if typed else None)


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=20), max_size=4), st.booleans())
def test_batches(batches: list[list[int]], typed: bool) -> None:
    stream = io.BytesIO()
    sent = [Question(7 + i, i, batch_of(lengths, typed=typed)) for i, lengths in enumerate(batches)]
    for question in sent:
        write(stream, question)
    stream.seek(0)
    for question in sent:
        got = read_question(stream)
        assert got is not None
        assert (got.number, got.model) == (question.number, question.model)
        assert np.array_equal(got.batch.ids, question.batch.ids)
        assert np.array_equal(got.batch.offsets, question.batch.offsets)
        assert (got.batch.ids.dtype, got.batch.offsets.dtype) == (np.int32, np.int64)
        if question.batch.types is None:
            assert got.batch.types is None
        else:
            assert got.batch.types is not None
            assert np.array_equal(got.batch.types, question.batch.types)
    assert read_question(stream) is None


def test_a_batch_may_be_a_view_of_something_else() -> None:
    ids = np.arange(20, dtype=np.int32)[::2]
    stream = io.BytesIO()
    write(stream, Question(1, 0, PackedBatch(ids, np.array([0, 10], np.int64))))
    stream.seek(0)
    got = read_question(stream)
    assert got is not None
    assert got.batch.ids.tolist() == ids.tolist()


def test_a_stream_that_ends_early_holds_nothing_more() -> None:
    stream = io.BytesIO()
    write(stream, Question(1, 0, batch_of([3, 4], typed=True)))
    whole = stream.getvalue()
    for end in range(len(whole)):
        assert read_question(io.BytesIO(whole[:end])) is None
    stream = io.BytesIO()
    write_answer(stream, 1, Kind.LOGITS, bytes(12))
    for end in range(len(stream.getvalue())):
        assert read_answer(io.BytesIO(stream.getvalue()[:end])) is None


def test_logits_keep_their_bits() -> None:
    logits = np.array([1.5, -0.0, np.nan, np.inf, 1e-45], np.float32)
    stream = io.BytesIO()
    write_answer(stream, 3, Kind.LOGITS, logits.tobytes())
    stream.seek(0)
    answer = read_answer(stream)
    assert answer is not None
    assert (answer.number, answer.kind) == (3, Kind.LOGITS)
    assert answer.logits().tobytes() == logits.tobytes()


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree(kind: type[ResiftError]) -> None:
    back = Answer(1, Kind.ERROR, error_content(made(kind))).error()
    assert type(back) is kind
    assert (back.message, back.hint) == ("what went wrong: ärger", "what to do")


def test_other_errors_are_named() -> None:
    class Unknown(InputError):
        """Of no module that the front knows."""

    assert type(Answer(1, Kind.ERROR, error_content(Unknown("x"))).error()) is EngineError
    back = Answer(1, Kind.ERROR, error_content(KeyError("x"))).error()
    assert type(back) is EngineError
    assert back.message == "the engine failed with KeyError: 'x'"
