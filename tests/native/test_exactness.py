"""A pair's logit has the same bits whatever else is in the batch, and however the work is shared out."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resift import _native
from tests.native.models import Batch, make_batch, make_spec, make_tensors, select

PAIRS = [(p, kernel) for p in ("fp32", "bf16", "int8") for kernel in _native.available_kernels(p)]
every_pair = pytest.mark.parametrize(("precision", "kernel"), PAIRS)
MODES = [None, "throughput", "latency"]
SPEC = make_spec(hidden=96, heads=3, ffn=200, layers=3)


@functools.cache
def encoder(precision, kernel, threads):
    tensors = make_tensors(SPEC, seed=5)
    return _native.Encoder(SPEC, tensors, threads=threads, kernel=kernel, precision=precision)


def logits(batch, *, precision, kernel, threads=1, mode=None):
    return encoder(precision, kernel, threads).forward(*batch, mode=mode)


def alone(batch, **which):
    """Each sequence in a call of its own, on one thread."""
    return np.concatenate([logits(select(batch, [i]), **which) for i in range(len(batch.offsets) - 1)])


@every_pair
@pytest.mark.parametrize("threads", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("mode", MODES)
def test_threads_and_modes(precision, kernel, threads, mode):
    batch = make_batch(SPEC, [1, 2, 3, 7, 13, 14, 15, 16, 17, 28, 29, 64, 129, 300, 513], seed=6)
    got = logits(batch, precision=precision, kernel=kernel, threads=threads, mode=mode)
    assert got.tobytes() == alone(batch, precision=precision, kernel=kernel).tobytes()


@every_pair
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=12),
    threads=st.sampled_from([1, 2, 3, 5, 16]),
    mode=st.sampled_from(MODES),
    data=st.data(),
)
@settings(max_examples=15, deadline=None)
def test_order_and_company(precision, kernel, lengths, threads, mode, data):
    batch = make_batch(SPEC, lengths, seed=len(lengths))
    expected = alone(batch, precision=precision, kernel=kernel)
    order = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20))
    got = logits(select(batch, order), precision=precision, kernel=kernel, threads=threads, mode=mode)
    assert got.tobytes() == expected[order].tobytes()


@every_pair
@pytest.mark.parametrize("mode", MODES)
def test_many_equal_sequences(precision, kernel, mode):
    one = make_batch(SPEC, [31], seed=7)
    count = 60
    batch = Batch(np.tile(one.ids, count), np.arange(count + 1) * 31, np.tile(one.types, count))
    got = logits(batch, precision=precision, kernel=kernel, threads=3, mode=mode)
    assert got.tobytes() == np.tile(logits(one, precision=precision, kernel=kernel), count).tobytes()


def test_inputs_are_not_changed():
    batch = make_batch(SPEC, [5, 9], seed=8)
    before = [array.copy() for array in batch]
    logits(batch, precision="fp32", kernel=PAIRS[0][1], threads=2)
    for now, then in zip(batch, before, strict=True):
        assert (now == then).all()
