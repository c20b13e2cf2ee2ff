"""onnxruntime in fp32 with its own graph optimisations, batches of 16 sorted by length."""

import json
from pathlib import Path

import numpy as np

from benchmarks.peers import Score, exports
from benchmarks.peers.batches import by_length

prepare = exports.onnx


def load(folder: Path, threads: int) -> Score:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / exports.ONNX, options, providers=["CPUExecutionProvider"])

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return session.run(None, {"input_ids": ids, "attention_mask": mask})[0]

    return by_length(folder, run, pad_id=json.loads((folder / "config.json").read_text())["pad_token_id"])
