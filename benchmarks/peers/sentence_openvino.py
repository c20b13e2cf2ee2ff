"""sentence-transformers' CrossEncoder with `backend="openvino"`, fp32, batches of 32 (its default)."""

from pathlib import Path

from benchmarks.peers import Score, exports
from benchmarks.peers.sentence import cross_encoder

prepare = exports.openvino


def load(folder: Path, threads: int) -> Score:
    import torch

    torch.set_num_threads(threads)
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads)}
    where = {"file_name": exports.OPENVINO, "export": False}
    return cross_encoder(folder, backend="openvino", model_options={**where, "ov_config": config})
