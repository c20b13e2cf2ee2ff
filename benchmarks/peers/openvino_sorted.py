"""OpenVINO in fp32 with its latency hint (one batch at a time on all cores), batches of 16 sorted by length."""

import json
from pathlib import Path

import numpy as np

from benchmarks.peers import Score, exports
from benchmarks.peers.batches import by_length

prepare = exports.openvino


def load(folder: Path, threads: int) -> Score:
    import openvino

    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    model = openvino.Core().compile_model(folder / exports.OPENVINO, "CPU", config)

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return model({"input_ids": ids, "attention_mask": mask})[0]

    return by_length(folder, run, pad_id=json.loads((folder / "config.json").read_text())["pad_token_id"])
