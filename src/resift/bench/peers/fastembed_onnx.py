"""fastembed's TextCrossEncoder on onnxruntime, with the model from the folder, batches of 64 (its default)."""

import numpy as np

from resift.bench.peers import Job, Loaded, Pairs, exports

prepare = exports.onnx


def load(job: Job) -> Loaded:
    """Register the folder as a custom model and load it."""
    from fastembed.common.model_description import ModelSource
    from fastembed.rerank.cross_encoder import TextCrossEncoder

    name = "resift-bench/model"
    TextCrossEncoder.add_custom_model(name, sources=ModelSource(hf=name), model_file=exports.ONNX)
    model = TextCrossEncoder(
        name, threads=job.threads, specific_model_path=str(job.folder), providers=["CPUExecutionProvider"]
    )

    def score(pairs: Pairs) -> np.ndarray:
        return np.fromiter(model.rerank_pairs(pairs), dtype=np.float32, count=len(pairs))

    return Loaded(score)
