"""transformers on torch, batches of 16 sorted by length."""

import numpy as np

from resift.bench.peers import Job, Loaded, Precision
from resift.bench.peers.batches import Inputs, by_length


def load(job: Job, *, attention: str, precision: Precision) -> Loaded:
    """Load the model in fp32 or bf16; for int8 its linear layers are quantised by torch, activations as they come."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(job.threads)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = AutoModelForSequenceClassification.from_pretrained(
        job.folder, dtype=dtype, attn_implementation=attention
    ).eval()
    if precision == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def run(batches: list[Inputs]) -> list[np.ndarray]:
        with torch.inference_mode():
            tensors = [{name: torch.from_numpy(values) for name, values in batch.items()} for batch in batches]
            return [model(**batch).logits.float().numpy() for batch in tensors]

    return Loaded(by_length(job, run), lambda: f"torch {torch.backends.cpu.get_cpu_capability()}")
