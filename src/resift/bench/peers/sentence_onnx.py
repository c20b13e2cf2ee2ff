"""sentence-transformers' CrossEncoder with `backend="onnx"`, batches of 32 (its default)."""

from resift.bench.peers import Job, Loaded, Precision, exports
from resift.bench.peers.sentence import cross_encoder


def prepare(job: Job, *, precision: Precision) -> None:
    """Write the model that `load` reads."""
    if precision == "int8":
        exports.onnx_int8(job)
    else:
        exports.onnx(job)


def load(job: Job, *, precision: Precision) -> Loaded:
    """Load the exported model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    where = {"file_name": exports.ONNX_INT8 if precision == "int8" else exports.ONNX, "export": False}
    return cross_encoder(job, backend="onnx", model_options={**where, "session_options": options})
