"""The CPU backend behind the engine's contract."""

import numpy as np
import pytest

from resift import _native
from resift.engine.backends.native import KERNEL_VARIABLE, NativeBackend
from resift.engine.backends.reference import ReferenceBackend
from resift.errors import DeviceError, EngineClosed, InputError, ModelLayoutError
from resift.types import ModelSpec, PackedBatch
from tests.native.models import make_batch, make_spec, make_tensors

SPECS = {
    "xlm-roberta": ModelSpec(
        family="xlm-roberta", cls_id=0, sep_id=2, separators=2, document_type=0,
        **make_spec(types=1, position_offset=2, norm_eps=1e-5),
    ),
    "bert": ModelSpec(
        family="bert", cls_id=3, sep_id=4, separators=1, document_type=1,
        **make_spec(types=2, position_offset=0, norm_eps=1e-12, activation="gelu_tanh"),
    ),
}  # fmt: skip
SPEC = SPECS["bert"]
SHAPE = make_spec()


@pytest.mark.parametrize("family", SPECS)
def test_agrees_with_the_reference_backend(family):
    spec = SPECS[family]
    shape = make_spec(types=spec.types, position_offset=spec.position_offset)
    tensors = make_tensors(shape)
    batch = PackedBatch(*make_batch(shape, [1, 3, 30, 200]))
    native, reference = (backend(spec, tensors).forward(batch) for backend in (NativeBackend, ReferenceBackend))
    # Both are float32 with logits of size 1; they add in different orders.
    np.testing.assert_allclose(native, reference, rtol=0, atol=2e-5)


def test_properties():
    backend = NativeBackend(SPEC, make_tensors(SHAPE), threads=3, kernel="portable")
    assert (backend.name, backend.precision, backend.kernel, backend.threads) == ("native", "fp32", "portable", 3)
    assert NativeBackend(SPEC, make_tensors(SHAPE)).threads == _native.default_threads()


def test_closed():
    backend = NativeBackend(SPEC, make_tensors(SHAPE))
    backend.close()
    backend.close()
    with pytest.raises(EngineClosed):
        backend.forward(PackedBatch(*make_batch(SHAPE, [3])))


def test_kernel_from_the_environment(monkeypatch):
    monkeypatch.setenv(KERNEL_VARIABLE, "portable")
    assert NativeBackend(SPEC, make_tensors(SHAPE)).kernel == "portable"
    best = _native.available_kernels()[0]
    assert NativeBackend(SPEC, make_tensors(SHAPE), kernel=best).kernel == best
    monkeypatch.setenv(KERNEL_VARIABLE, "")
    assert NativeBackend(SPEC, make_tensors(SHAPE)).kernel == best
    monkeypatch.setenv(KERNEL_VARIABLE, "sse9")
    with pytest.raises(DeviceError, match=r"RESIFT_CPU_KERNEL is 'sse9', this machine has .*portable"):
        NativeBackend(SPEC, make_tensors(SHAPE))


def test_errors():
    with pytest.raises(DeviceError, match="kernel is 'sse9', this machine has"):
        NativeBackend(SPEC, make_tensors(SHAPE), kernel="sse9")
    with pytest.raises(ModelLayoutError, match=r"tensor 'head.dense.weight' is missing"):
        NativeBackend(SPEC, {k: v for k, v in make_tensors(SHAPE).items() if k != "head.dense.weight"})
    backend = NativeBackend(SPEC, make_tensors(SHAPE))
    with pytest.raises(InputError, match=r"sequence 0 is empty"):
        backend.forward(PackedBatch(np.empty(0, np.int32), np.zeros(2, np.int64)))
