"""sentence-transformers' CrossEncoder with `backend="onnx"`, batches of 32 (its default)."""

from pathlib import Path

from benchmarks.peers import Score, exports
from benchmarks.peers.sentence import cross_encoder

prepare = exports.onnx


def load(folder: Path, threads: int) -> Score:
    import onnxruntime
    import torch

    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    where = {"file_name": exports.ONNX, "export": False}
    return cross_encoder(folder, backend="onnx", model_options={**where, "session_options": options})
