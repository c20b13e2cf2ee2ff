"""sentence-transformers' CrossEncoder with `backend="openvino"`, batches of 32 (its default)."""

from resift.bench.peers import Job, Loaded, Precision, exports
from resift.bench.peers.sentence import cross_encoder


def prepare(job: Job, *, precision: Precision) -> None:
    """Write the model that `load` reads."""
    if precision == "int8":
        exports.openvino_int8(job)
    else:
        exports.openvino(job)


def load(job: Job, *, precision: Precision) -> Loaded:
    """Load the exported model; what is not quantised runs in fp32."""
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(job.threads)}
    where = {"file_name": exports.OPENVINO_INT8 if precision == "int8" else exports.OPENVINO, "export": False}
    return cross_encoder(job, backend="openvino", model_options={**where, "ov_config": config})
