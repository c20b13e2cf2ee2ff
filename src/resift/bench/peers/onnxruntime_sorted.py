"""onnxruntime, plain or with its fusions for transformers, batches of 16 sorted by length."""

import numpy as np

from resift.bench.peers import Job, Loaded, Precision, exports
from resift.bench.peers.batches import Inputs, by_length


def prepare(job: Job, *, precision: Precision, fused: bool) -> None:
    """Write the model that `load` reads."""
    if precision == "int8":
        exports.onnx_int8(job)
    elif fused:
        exports.onnx_fused(job)
    else:
        exports.onnx(job)


def load(job: Job, *, precision: Precision, fused: bool) -> Loaded:
    """Start a session with all graph optimisations."""
    import onnxruntime

    name = exports.ONNX_INT8 if precision == "int8" else exports.ONNX_FUSED if fused else exports.ONNX
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    session = onnxruntime.InferenceSession(job.folder / name, options, providers=["CPUExecutionProvider"])

    def run(batches: list[Inputs]) -> list[np.ndarray]:
        return [session.run(None, batch)[0] for batch in batches]

    return Loaded(by_length(job, run))
