"""Numbers at the ends of what floats hold: a logit is right or not a number, and nothing crashes."""

import numpy as np
import pytest

from resift import _native
from tests.native.models import make_batch, make_spec, make_tensors, oracle
from tests.native.precisions import LINEAR

PAIRS = [(p, kernel) for p in ("fp32", "bf16", "int8") for kernel in _native.available_kernels(p)]
every_pair = pytest.mark.parametrize(("precision", "kernel"), PAIRS)
LENGTHS = [1, 5, 40, 70]
# Sums and rounding as in test_precisions.py.
MOST = {"fp32": 1e-4, "bf16": 3e-2, "int8": 8e-2}


def logits(spec, tensors, *, precision, kernel):
    encoder = _native.Encoder(spec, tensors, threads=2, kernel=kernel, precision=precision)
    return encoder.forward(*make_batch(spec, LENGTHS))


def difference(spec, tensors, *, precision, kernel):
    got = logits(spec, tensors, precision=precision, kernel=kernel)
    assert np.isfinite(got).all()
    return np.abs(got - oracle(spec, tensors, make_batch(spec, LENGTHS), LINEAR[precision])).max()


# With one layer, the first row of each of these takes part in every logit.
LAST = sorted(n for n in make_tensors(make_spec(layers=1)) if "position" not in n and "embeddings.word" not in n)


@every_pair
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu"])
def test_what_is_no_number_comes_through(precision, kernel, activation):
    spec = make_spec(layers=1, hidden=33, heads=3, ffn=50, types=1, activation=activation)
    for name in LAST:
        for value in (np.nan, np.inf):
            for place in (0, 16, -1):
                tensors = make_tensors(spec)
                row = tensors[name].reshape(-1, tensors[name].shape[-1])[0]
                row[place if len(row) > 16 else 0] = value
                got = logits(spec, tensors, precision=precision, kernel=kernel)
                rounded = precision == "int8" and name.startswith("layers.") and "norm" not in name
                if np.isnan(value) or (rounded and name.endswith(".weight")):
                    assert np.isnan(got).all(), (name, place)
                elif precision == "fp32":
                    # An infinity may end in a finite number where relu or tanh takes it: then the oracle says so too.
                    with np.errstate(all="ignore"):
                        expected = oracle(spec, tensors, make_batch(spec, LENGTHS))
                    close = np.isclose(got, expected, rtol=0, atol=MOST[precision])
                    assert (close | ~np.isfinite(got)).all(), (name, place)


@every_pair
def test_rows_of_zeros(precision, kernel):
    # A scale of zero divides nothing.
    spec = make_spec()
    tensors = make_tensors(spec)
    for name in ("embeddings.norm", "layers.0.attention.norm"):
        tensors[f"{name}.weight"][:] = 0
        tensors[f"{name}.bias"][:] = 0
    tensors["layers.1.ffn.up.weight"][3] = 0
    tensors["layers.1.ffn.down.weight"][:] = 0
    assert difference(spec, tensors, precision=precision, kernel=kernel) < MOST[precision]


@every_pair
@pytest.mark.parametrize("size", [1e-45, 1e-40, 1e-38, 1e-30, 1e-20])
def test_activations_near_zero(precision, kernel, size):
    # The products are next to nothing beside their biases, and must neither be lost in a division nor blow up.
    spec = make_spec()
    tensors = make_tensors(spec)
    for name in ("layers.0.attention.norm", "layers.0.ffn.norm"):
        for part in ("weight", "bias"):
            tensors[f"{name}.{part}"] = (tensors[f"{name}.{part}"] * np.float64(size)).astype(np.float32)
    assert difference(spec, tensors, precision=precision, kernel=kernel) < MOST[precision]


@every_pair
@pytest.mark.parametrize("size", [1e-42, 1e-36, 1e-30, 1e12])
def test_weights_and_activations_of_any_size(precision, kernel, size):
    # Whatever the scale of a product's weights, the scale of what it multiplies makes up for it.
    spec = make_spec(activation="relu")
    tensors = make_tensors(spec)
    up, down = "layers.0.ffn.up", "layers.0.ffn.down"
    tensors[f"{up}.weight"] = (tensors[f"{up}.weight"] * np.float64(size)).astype(np.float32)
    tensors[f"{up}.bias"] = (tensors[f"{up}.bias"] * np.float64(size)).astype(np.float32)
    assert difference(spec, tensors, precision=precision, kernel=kernel) < MOST[precision]
    if size > 1e-37:
        tensors[f"{down}.weight"] = (tensors[f"{down}.weight"] / np.float64(size)).astype(np.float32)
        assert difference(spec, tensors, precision=precision, kernel=kernel) < MOST[precision]


@every_pair
@pytest.mark.parametrize("size", [1e30, 3e38])
def test_activations_that_overflow(precision, kernel, size):
    spec = make_spec()
    for name in (
        "embeddings.word",
        "layers.0.ffn.up.bias",
        "layers.0.attention.query.bias",
        "layers.0.ffn.norm.weight",
    ):
        tensors = make_tensors(spec)
        tensors[name][:] = np.float32(size) * np.sign(tensors[name])
        got = logits(spec, tensors, precision=precision, kernel=kernel)
        assert got.shape == (len(LENGTHS),)
        assert (np.isnan(got) | (np.abs(got) < 1e3)).all()  # the head's tanh bounds what is a number


@every_pair
def test_peaked_attention_is_stable(precision, kernel):
    # Scores of several hundred: exp of one of them alone would be infinite.
    spec = make_spec()
    tensors = make_tensors(spec, seed=1)
    tensors["layers.0.attention.query.weight"] *= 300
    got = logits(spec, tensors, precision=precision, kernel=kernel)
    assert np.isfinite(got).all()
    # A rounded score may take another token to the top, so only what rounds nothing is compared.
    if precision == "fp32":
        np.testing.assert_allclose(got, oracle(spec, tensors, make_batch(spec, LENGTHS)), rtol=0, atol=1e-3)
