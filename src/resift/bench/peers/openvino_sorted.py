"""OpenVINO, batches of 16 sorted by length.

With its latency hint one batch at a time runs on all cores, with its throughput hint several at a time.
"""

from collections import Counter
from typing import Any

import numpy as np

from resift.bench.peers import Job, Loaded, Precision, exports
from resift.bench.peers.batches import Inputs, by_length


def prepare(job: Job, *, precision: Precision, hint: str) -> None:  # noqa: ARG001 - the model is the same
    """Write the model that `load` reads."""
    if precision == "int8":
        exports.openvino_int8(job)
    else:
        exports.openvino(job)


def load(job: Job, *, precision: Precision, hint: str) -> Loaded:
    """Compile the model; what is not quantised runs in fp32, or in bf16 when that is asked for."""
    import openvino

    config = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": job.threads,
        "PERFORMANCE_HINT": hint,
    }
    name = exports.OPENVINO_INT8 if precision == "int8" else exports.OPENVINO
    model = openvino.Core().compile_model(job.folder / name, "CPU", config)
    requests = openvino.AsyncInferQueue(model)
    found: dict[int, np.ndarray] = {}

    def keep(request: Any, place: int) -> None:
        found[place] = np.array(request.get_output_tensor(0).data, dtype=np.float32)

    requests.set_callback(keep)

    def run(batches: list[Inputs]) -> list[np.ndarray]:
        for place, batch in enumerate(batches):
            requests.start_async(batch, place)
        requests.wait_all()
        return [found.pop(place) for place in range(len(batches))]

    return Loaded(by_length(job, run), lambda: kernels(model))


def kernels(model: Any) -> str:
    """Return which kernels OpenVINO compiled the products to, by its runtime model: known after the first batch."""
    counts: Counter[str] = Counter()
    for operation in model.get_runtime_model().get_ordered_ops():
        info = operation.get_rt_info()
        if str(info["layerType"].astype(str)) in {"FullyConnected", "MatMul", "ScaledDotProductAttention", "Subgraph"}:
            counts[str(info["primitiveType"].astype(str))] += 1
    return ", ".join(f"{name} x {count}" for name, count in counts.most_common())
