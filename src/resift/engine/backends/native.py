"""The CPU backend: packed tokens through the C++ engine."""

import os
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from resift import _native
from resift.errors import DeviceError, EngineClosed, InputError, ModelLayoutError
from resift.types import Float32, ModelSpec, PackedBatch, Precision

KERNEL_VARIABLE = "RESIFT_CPU_KERNEL"
"""Environment variable that forces a kernel: for tests and comparisons, the only one that the engine reads."""

_SPEC_FIELDS = (
    "layers", "hidden", "heads", "ffn", "vocab", "positions", "position_offset", "types", "norm_eps", "activation",
)  # fmt: skip


class NativeBackend:
    """Run an encoder on the CPU, its matrix products in float32, bfloat16 or int8.

    A sequence's logit has the same bits whatever else is in the batch, and whatever the number of threads. Sums,
    norms, softmax and the head are float32 in every precision.

    Args:
        spec: the encoder's shape.
        tensors: weights under the canonical names: float32, float16 or bfloat16 bits as uint16, packed here for
            `precision`; or as a quantised folder stores them. Embedding tables and stored panels are not copied:
            where they are memory-mapped, they stay so.
        threads: workers, 1 to 1024; None takes the physical cores that affinity and control groups leave to this
            process. All backends of a process share their threads and take turns.
        kernel: an instruction set that this machine has, the highest to be used; None takes `RESIFT_CPU_KERNEL`, else
            the best.
        precision: `fp32`, `bf16` (half the memory; the CPU's bfloat16 products where it has them, else float32
            arithmetic on the narrow weights) or `int8` (a scale for each output of the weights and each token).
    """

    name = "native"

    def __init__(
        self,
        spec: ModelSpec,
        tensors: Mapping[str, np.ndarray],
        *,
        threads: int | None = None,
        kernel: str | None = None,
        precision: Precision = "fp32",
    ) -> None:
        fields = {name: value for name, value in asdict(spec).items() if name in _SPEC_FIELDS}
        try:
            self._encoder: _native.Encoder | None = _native.Encoder(
                fields,
                dict(tensors),
                threads=threads if threads is not None else 0,
                kernel=_choose(kernel),
                precision=precision,
            )
        except ValueError as error:
            raise ModelLayoutError(str(error)) from error
        self.precision = precision
        self.kernel = self._encoder.kernel
        self.threads = self._encoder.threads

    def forward(self, batch: PackedBatch) -> Float32:
        """Return the logit of every sequence of the batch, float32 [n]."""
        encoder = self._encoder
        if encoder is None:
            raise EngineClosed("the native backend was closed")
        try:
            return encoder.forward(batch.ids, batch.offsets, batch.types)
        except ValueError as error:
            raise InputError(str(error)) from error

    def close(self) -> None:
        """Drop the weights; calls that are running end first."""
        self._encoder = None


def _choose(kernel: str | None) -> str | None:
    """Return the instruction set asked for by argument or environment, once this machine is known to have it."""
    wanted = kernel if kernel is not None else os.environ.get(KERNEL_VARIABLE) or None
    available = _native.instruction_sets()
    if wanted is not None and wanted not in available:
        origin = "kernel" if kernel is not None else KERNEL_VARIABLE
        raise DeviceError(f"{origin} is '{wanted}', this machine has {', '.join(available)}")
    return wanted
