"""Which way a linear is rounded follows from what goes into it."""

import numpy as np

from resift.engine.backends.reference import linear
from resift.quantize.calibrate import Inputs
from resift.quantize.linears import int8_tensors, matrix, plan_int8
from resift.types import Float32

RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((48, 64)).astype(np.float32)
BIAS = RNG.standard_normal(48).astype(np.float32)


def seen(x: Float32) -> Inputs:
    return Inputs(len(x), x.sum(axis=0, dtype=np.float64), x.min(axis=0), x.max(axis=0), list(x))


def normal(mean: Float32 | float = 0.0, spread: Float32 | float = 1.0) -> Float32:
    return (mean + spread * RNG.standard_normal((60, 64))).astype(np.float32)


def test_even_channels_are_rounded_plainly() -> None:
    plan = plan_int8(WEIGHTS, BIAS, seen(normal()))
    assert plan.smooth is None
    assert 0 < plan.error < 0.02


def test_means_are_taken_off() -> None:
    offset = np.zeros(64, np.float32)
    offset[[5, 9]] = [40, -30]
    inputs = seen(normal(mean=offset))
    plan = plan_int8(WEIGHTS, BIAS, inputs)
    assert plan.shift is not None
    np.testing.assert_allclose(plan.shift, inputs.mean)
    assert plan.error < 0.01


def test_wide_channels_are_smoothed() -> None:
    spread = np.ones(64, np.float32)
    spread[7] = 60
    weights = WEIGHTS.copy()
    weights[:, 7] /= 60
    plan = plan_int8(weights, BIAS, seen(normal(spread=spread)))
    assert plan.smooth is not None
    assert plan.smooth[7] < plan.smooth.min(initial=1, where=np.arange(64) != 7) / 5


def test_the_error_is_that_of_what_is_stored() -> None:
    x = normal(mean=3.0)
    plan = plan_int8(WEIGHTS, BIAS, seen(x))
    stored = int8_tensors(WEIGHTS, BIAS, smooth=plan.smooth, shift=plan.shift)
    exact = x @ WEIGHTS.T + BIAS
    found = np.linalg.norm(linear({f"x.{k}": v for k, v in stored.items()}, "x", x) - exact) / np.linalg.norm(exact)
    np.testing.assert_allclose(plan.error, found, rtol=1e-3)


def test_dead_channels_and_dead_outputs() -> None:
    x = normal()
    x[:, 3] = 0
    weights = WEIGHTS.copy()
    weights[:, 4] = 0
    weights[11] = 0
    plan = plan_int8(weights, BIAS, seen(x))
    stored = int8_tensors(weights, BIAS, smooth=plan.smooth, shift=plan.shift)
    assert all(np.isfinite(values).all() for values in stored.values())
    assert stored["scale"][11] == 0
    everything = plan_int8(np.zeros_like(weights), BIAS, seen(np.zeros_like(x)))
    assert everything.error == 0


def test_key_and_value_become_one() -> None:
    tensors = {
        f"layers.0.attention.{part}.{kind}": np.full((2, 2) if kind == "weight" else 2, number, np.float16)
        for number, part in enumerate(("key", "value"))
        for kind in ("weight", "bias")
    }
    weights, bias = matrix(tensors, "layers.0.attention.key_value")
    assert weights.tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
    assert bias.tolist() == [0, 0, 1, 1]
    assert weights.dtype == np.float32
